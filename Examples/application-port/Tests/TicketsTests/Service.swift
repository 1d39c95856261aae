import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

// @unchecked: one test uses the process.
/// A process of one stage.
final class Service: @unchecked Sendable {
    let client: TestClient
    private let admin: TestClient
    private let process: Process
    private let stage: Stage
    private var isKilled = false
    private var isStopping = false

    private init(_ process: Process, _ stage: Stage, port: Int, admin: String) {
        self.process = process
        self.stage = stage
        client = TestClient(to: .tcp(port: port))
        self.admin = TestClient(to: .unix(admin))
    }

    /// Starts a process on a port that the kernel chooses, and returns when it listens there.
    static func start(
        _ stage: Stage, in directory: URL, exchange: Int = 1, timeout: Duration = .seconds(20)
    ) async throws -> Service {
        let name = UUID().uuidString
        let (log, admin) = (directory.appending(path: "\(name).log"), directory.appending(path: name.prefix(8)).path)
        let process = Process()
        let products = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        process.executableURL = products.deletingLastPathComponent().appending(path: stage.executable)
        process.currentDirectoryURL = directory
        process.environment = [
            "TICKETS_HTTP_PORT": "0", "TICKETS_DATABASE_FILE": directory.appending(path: "tickets.sqlite").path,
            "TICKETS_RATES_URL": "http://127.0.0.1:\(exchange)/rates",
            "TICKETS_RATES_TIMEOUT_MS": "\(Int(timeout / .milliseconds(1)))", "TICKETS_ADMIN_LISTEN": "unix:\(admin)",
            "TICKETS_LOG_ACCESS": "false",
        ].merging(stage.environment) { $1 }
        try Data().write(to: log)
        process.standardError = try FileHandle(forWritingTo: log)
        process.standardOutput = process.standardError
        try process.run()
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let text = try String(contentsOf: log, encoding: .utf8)
            if let match = text.firstMatch(of: /127\.0\.0\.1:(\d+)\b.*\n/), let port = Int(match.1) {
                return Service(process, stage, port: port, admin: admin)
            }
            try #require(process.isRunning && .now < end, "\(stage.rawValue) does not start: \(text)")
            try await sleep(for: .milliseconds(5))
        }
    }

    /// Returns the most green threads that each hub has had at once.
    func greenThreads() async throws -> [Int] {
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let metrics = try await admin.get("/metrics").text
            let lines = metrics.split(separator: "\n").filter { $0.hasPrefix("tandem_hub_green_threads_high_water") }
            if !lines.isEmpty {
                await admin.close()
                return lines.compactMap { Int($0.split(separator: " ")[1]) }
            }
            // A hub that did not answer in time is not among the metrics.
            try #require(.now < end)
            try await sleep(for: .milliseconds(50))
        }
    }

    /// Sends SIGTERM, and returns at once. In stage 3 no green thread may have been made.
    func terminate() async throws {
        if stage == .stage3 { #expect(try await greenThreads().allSatisfy { $0 == 0 }) }
        isStopping = true
        process.terminate()
    }

    /// Ends the process at once.
    func kill() async throws {
        isKilled = true
        Foundation.kill(process.processIdentifier, SIGKILL)
        try await ended()
    }

    /// Ends the process by SIGTERM, unless the test has ended it. It must end in order.
    func stop() async throws {
        await client.close()
        guard !isKilled else { return }
        if !isStopping { try await terminate() }
        try await ended()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 0)
    }

    private func ended() async throws {
        let end = ContinuousClock.now + .seconds(40)
        while process.isRunning, .now < end { try await sleep(for: .milliseconds(5)) }
        try #require(!process.isRunning, "the service has not ended")
        await client.close()
    }
}

/// Runs `body` with a process of this stage and a database of its own, and stops the process.
func withService(
    _ stage: Stage, exchange: Int = 1, timeout: Duration = .seconds(20), _ body: (TestClient, Service, URL) async throws -> Void
) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "tickets-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let service = try await Service.start(stage, in: directory, exchange: exchange, timeout: timeout)
    do {
        try await body(service.client, service, directory)
        try await service.stop()
    } catch {
        try? await service.kill()
        for log in try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        where log.pathExtension == "log" {
            Issue.record("the log of \(stage.rawValue): \((try? String(contentsOf: log, encoding: .utf8)) ?? "")")
        }
        throw error
    }
}
