import Foundation

/// A third-party program, run as a process. Waiting for it does not block the thread, which the hub may need.
final class Program {
    private let process = Process()
    private let outputFile = Program.temporaryFile()
    private let errorFile = Program.temporaryFile()
    private let name: String

    /// The result of a program that has ended.
    struct Outcome {
        let status: Int32
        let output: [UInt8]
        let errors: String
        var text: String { String(decoding: output, as: UTF8.self) }
        var lines: [String] { text.split(separator: "\n").map(String.init) }
    }

    struct NotThere: Error, CustomStringConvertible {
        let description: String
    }

    init(_ name: String, _ arguments: [String], input: String? = nil, environment: [String: String] = [:]) throws {
        self.name = name
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        guard
            let directory = (path + ":/usr/sbin:/sbin").split(separator: ":").first(where: {
                FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
            })
        else { throw NotThere(description: "\(name) is not on the PATH; scripts/test installs it") }
        process.executableURL = URL(filePath: "\(directory)/\(name)")
        process.arguments = arguments
        process.environment = ["PATH": path, "HOME": NSTemporaryDirectory()].merging(environment) { $1 }
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        process.standardInput = try input.map { try FileHandle(forReadingFrom: URL(filePath: $0)) } ?? FileHandle.nullDevice
        let (output, errors) = (try FileHandle(forWritingTo: outputFile), try FileHandle(forWritingTo: errorFile))
        // The program has its own copies of the descriptors, and Foundation would keep these open for as long as the tests run.
        defer { for handle in [output, errors] { try? handle.close() } }
        (process.standardOutput, process.standardError) = (output, errors)
        // Swift's threads block nearly all signals, and a child process inherits the signal mask.
        var (none, own) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &own)
        defer { pthread_sigmask(SIG_SETMASK, &own, nil) }
        try process.run()
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        for file in [outputFile, errorFile] { try? FileManager.default.removeItem(at: file) }
    }

    var isRunning: Bool { process.isRunning }

    func send(_ signal: CInt) { kill(process.processIdentifier, signal) }

    /// The text that the program has written to standard error.
    var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

    /// Waits until the program has ended.
    func wait() async throws -> Outcome {
        while process.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        return Outcome(status: process.terminationStatus, output: Array(try Data(contentsOf: outputFile)), errors: errors)
    }

    /// Runs a program until it ends.
    static func run(
        _ name: String, _ arguments: [String], input: String? = nil, environment: [String: String] = [:]
    ) async throws -> Outcome {
        try await Program(name, arguments, input: input, environment: environment).wait()
    }

    private static func temporaryFile() -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "program-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: url.path(), contents: nil)
        return url
    }
}

/// Runs a Python program of this directory until it ends, with the packages of scripts/lib/python-packages.
func python(_ script: String, _ arguments: String...) async throws -> Program.Outcome {
    let directory = URL(filePath: #filePath).deletingLastPathComponent()
    let outcome = try await Program.run(
        "python3", [directory.appending(path: script).path()] + arguments,
        environment: ["PYTHONPATH": packageRoot + ".build/python", "PYTHONDONTWRITEBYTECODE": "1"])
    if outcome.errors.contains("ModuleNotFoundError") {
        throw Program.NotThere(description: "\(script) misses a package; scripts/lib/python-packages installs them")
    }
    return outcome
}
