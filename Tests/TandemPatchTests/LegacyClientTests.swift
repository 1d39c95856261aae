import Dispatch
import Foundation
import Glibc
import Synchronization
import Testing

/// Unmodified blocking clients on one hub, as a process of their own: the test's process is not patched.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct LegacyClientTests {
    @Test(arguments: try LegacyProgram.clients.filter { !["fork", "system"].contains($0) })
    func `a hundred unmodified clients wait at the same time on one thread`(client: String) async throws {
        let (status, output) = try LegacyProgram.run(client, "100")
        #expect(status == 0, "\(output)")
        let times = output.firstMatch(of: /held for 100 ms (\d+) times/).flatMap { Int($0.1) }
        Self.holds.withLock { $0[client] = times ?? 0 }
    }

    /// How often the watchdog has seen the hub of each client held.
    private static let holds = Mutex<[String: Int]>([:])

    @Test func `the count of held hubs is printed`() {
        let holds = Self.holds.withLock { $0.filter { $0.value > 0 } }
        let clients = holds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        print("the watchdog saw hubs held for 100 ms \(holds.values.reduce(0, +)) times: \(clients)")
    }

    @Test func `a child process of a green thread is not patched`() async throws {
        let (status, output) = try LegacyProgram.run("fork", "10")
        #expect(status == 0, "\(output)")
    }

    @Test func `system runs on a pool, as many at a time as it has threads`() async throws {
        let (status, output) = try LegacyProgram.run("system", "60")
        #expect(status == 0, "\(output)")
    }

    @Test func `all clients are there`() throws { #expect(try LegacyProgram.clients.count > 70) }

    @Test(arguments: ["deadlock", "deadlock-recursive", "deadlock-mutex", "deadlock-rwlock"])
    func `async code that wants a lock of a parked green thread ends the process with a report`(client: String) async throws {
        let began = ContinuousClock.now
        let (status, output) = try LegacyProgram.run(client)
        #expect(status != 0)
        #expect(output.contains("async code wants the lock at"), "\(output.prefix(500))")
        #expect(output.contains("holder"), "the report names the green thread, or the dump does")
        // Much earlier than the five seconds for which the lock is held; printing a crash takes some time.
        #expect(ContinuousClock.now - began < .seconds(45))
    }

    @Test func `no hand-off between green threads of two hubs and OS threads is lost`() async throws {
        let (status, output) = try LegacyProgram.run("stress", "24000", "20261129")
        #expect(status == 0, "\(output)")
    }

    @Test func `the sample of the documentation runs`() async throws {
        let (status, output) = try LegacyProgram.run("sample")
        #expect(status == 0, "\(output)")
    }
}

/// The program of Tests/Support/LegacyClients.
enum LegacyProgram {
    static var clients: [String] {
        get throws { try run("list").1.split(separator: "\n").map(String.init) }
    }

    /// Returns its exit status and all that it has printed.
    static func run(_ arguments: String...) throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "LegacyClients")
        process.arguments = arguments
        // A crash shows by its status; the program that prints its stack may take a minute.
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        // A program that hangs fails its test.
        let id = process.processIdentifier
        let limit = DispatchWorkItem { kill(id, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 50, execute: limit)
        defer { limit.cancel() }
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
    }
}
