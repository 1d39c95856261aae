import Foundation
import Partner
import Tandem
import Testing

/// The server as a process, with its partner in this one.
final class ServerProcess: Sendable {
    let partner: Partner
    private let process: Process
    private let port: UInt16

    /// How the server runs its tasks.
    enum Executor: String, CaseIterable, CustomTestStringConvertible {
        case swift = "0"
        case hub = "1"
        case twoHubs = "2"

        var testDescription: String {
            switch self {
            case .swift: "Swift's own executor"
            case .hub: "one hub"
            case .twoHubs: "two hubs"
            }
        }
    }

    private init(_ executor: Executor, _ arguments: [String]) async throws {
        partner = try await Partner()
        let process = Process()
        process.executableURL = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent().appending(path: "server")
        process.arguments = ["--partner", "\(partner.port)", "--hubs", executor.rawValue] + arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        self.process = process
        // The server prints one line: "listening on PORT".
        let line = try await offload { String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) }
        guard let port = UInt16(line.split(separator: " ").last?.dropLast() ?? "") else { throw Unexpected(text: "\(line)") }
        self.port = port
    }

    /// Runs `body` on a hub, with a server. Then stops the server by SIGTERM, and expects it to end cleanly.
    static func run(
        _ executor: Executor, _ arguments: [String] = [], _ body: @escaping @Sendable (ServerProcess) async throws -> Void
    ) async throws {
        let group = try HubGroup(count: 1)
        let result = await group.hubs[0].spawn {
            let server = try await ServerProcess(executor, arguments)
            do { try await body(server) } catch {
                server.process.terminate()
                throw error
            }
            try await server.stop()
        }.result
        await group.shutdown()
        try result.get()
    }

    private func stop() async throws {
        await partner.stop()
        process.terminate()
        try await offload { [process] in process.waitUntilExit() }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw Unexpected(text: "the server ended with status \(process.terminationStatus)")
        }
    }

    /// The number of OS threads of the server.
    var threads: Int {
        get throws {
            let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("Threads:") }
            return Int(line?.split(separator: "\t").last ?? "") ?? 0
        }
    }

    /// An answer of the server.
    struct Answer: Hashable {
        var status: Int
        var text: String
    }

    /// Requests a path, over a new connection.
    func get(_ path: String, caller: String? = nil) async throws -> Answer {
        let stream = try await begin(path, caller: caller)
        defer { stream.close() }
        var answer: [UInt8] = []
        while let bytes = try await stream.read(atMost: 4_096) { answer += bytes }
        let text = String(decoding: answer, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
            throw Unexpected(text: text)
        }
        return Answer(status: status, text: String(text[end.upperBound...]))
    }

    /// Sends a request, and returns the connection. A caller that closes it leaves before the answer.
    func begin(_ path: String, caller: String? = nil) async throws -> TCPStream {
        let stream = try await TCPStream.connect(host: "127.0.0.1", port: port)
        let field = caller.map { "X-Caller: \($0)\r\n" } ?? ""
        try await stream.write("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(field)Connection: close\r\n\r\n")
        return stream
    }

    /// Requests a path `count` times at once, and returns the answers.
    func get(_ path: String, times count: Int) async throws -> [Answer] {
        try await withThrowingTaskGroup { group in
            for _ in 0..<count { group.addTask { try await self.get(path) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}

struct Unexpected: Error {
    let text: String
}
