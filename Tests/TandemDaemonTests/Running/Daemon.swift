import Foundation
import TandemTesting

/// A tandemd process, with a separate environment, in a directory without configuration.
final class Daemon {
    private let process = Process()
    private let outputFile = Daemon.temporaryFile()
    private let errorFile = Daemon.temporaryFile()

    struct DidNotStart: Error {
        let errors: String
    }

    /// The built tandemd, which SwiftPM puts next to the test runner.
    static let binary = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "tandemd")

    /// - Parameter launcher: The path and the first arguments of a program that runs tandemd. The path and the arguments of
    ///   tandemd are appended to them.
    init(_ arguments: [String], environment: [String: String] = [:], through launcher: [String] = []) throws {
        let command = launcher + [Self.binary.path()] + arguments
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        // A daemon that is built with a sanitizer needs the tests' options: it has names that are never freed, on purpose.
        let inherited = ProcessInfo.processInfo.environment.filter { ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains($0.key) }
        process.environment = environment.merging(inherited.merging(["PATH": "/usr/bin:/bin"]) { $1 }) { own, _ in own }
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        let (output, errors) = (try FileHandle(forWritingTo: outputFile), try FileHandle(forWritingTo: errorFile))
        // The child has its own copies of the descriptors, and Foundation would keep these open for as long as the tests run.
        defer { for handle in [output, errors] { try? handle.close() } }
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
    }

    convenience init(_ arguments: String..., environment: [String: String] = [:]) throws {
        try self.init(arguments, environment: environment)
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for file in [outputFile, errorFile] { try? FileManager.default.removeItem(at: file) }
    }

    var output: String { (try? String(contentsOf: outputFile, encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

    func send(_ signal: CInt) { kill(process.processIdentifier, signal) }

    /// Waits until the daemon has ended, and returns its exit code. Like all waits here, it does not block the thread.
    func wait() async throws -> Int32 {
        while process.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        return process.terminationStatus
    }

    /// Waits until standard error contains this text.
    func awaitError(_ text: String) async throws {
        while !errors.contains(text) {
            guard process.isRunning else { throw DidNotStart(errors: errors) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Waits until the daemon listens, and returns the port.
    func port() async throws -> Int {
        try await awaitError(" with ")
        guard let match = errors.firstMatch(of: /listening on http:\/\/[^ ]*:([0-9]+) with/), let port = Int(match.1) else {
            throw DidNotStart(errors: errors)
        }
        return port
    }

    /// Waits until the daemon listens; returns a client of its port.
    func client() async throws -> TestClient { TestClient(to: .tcp(port: try await port())) }

    private static func temporaryFile() -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "tandemd-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: url.path(), contents: nil)
        return url
    }
}
