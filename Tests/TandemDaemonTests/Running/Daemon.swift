import Foundation

/// A tandemd process, with an environment of its own and in a directory without configuration.
final class Daemon {
    private let process = Process()
    private let outputFile = Daemon.temporaryFile()
    private let errorFile = Daemon.temporaryFile()

    struct DidNotStart: Error {
        let errors: String
    }

    /// Where SwiftPM builds it: next to the test runner.
    static let binary = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "tandemd")

    /// - Parameter launcher: A program, by its path, and its first arguments, that becomes tandemd, or runs it, when it is given
    ///   tandemd's.
    init(_ arguments: [String], environment: [String: String] = [:], through launcher: [String] = []) throws {
        let command = launcher + [Self.binary.path()] + arguments
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        // A daemon built with a sanitizer needs what its tests were given: it has names that are never freed, on purpose.
        let inherited = ProcessInfo.processInfo.environment.filter { ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains($0.key) }
        process.environment = environment.merging(inherited.merging(["PATH": "/usr/bin:/bin"]) { $1 }) { own, _ in own }
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        let (output, errors) = (try FileHandle(forWritingTo: outputFile), try FileHandle(forWritingTo: errorFile))
        // The child has its own descriptors, and Foundation would keep these for as long as the tests run.
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

    /// Waits until it has ended; returns its exit code. Like all waits here it leaves the thread to other tests.
    func wait() async throws -> Int32 {
        while process.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        return process.terminationStatus
    }

    /// Waits until standard error has this text.
    func awaitError(_ text: String) async throws {
        while !errors.contains(text) {
            guard process.isRunning else { throw DidNotStart(errors: errors) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Waits until it listens; returns the port.
    func port() async throws -> Int {
        try await awaitError(" hub")
        guard let match = errors.firstMatch(of: /listening on http:\/\/[^ ]*:([0-9]+) with/), let port = Int(match.1) else {
            throw DidNotStart(errors: errors)
        }
        return port
    }

    private static func temporaryFile() -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "tandemd-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: url.path(), contents: nil)
        return url
    }
}
