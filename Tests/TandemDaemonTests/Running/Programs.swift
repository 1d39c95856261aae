import Foundation

/// A temporary directory, deleted with its object. Its path is short enough for a unix socket in it.
final class ScratchDirectory: Sendable {
    let path = FileManager.default.temporaryDirectory.path() + "/tandemd-" + UUID().uuidString.prefix(8)
    init() { try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Runs a program, and returns its standard output.
func output(of arguments: String...) async throws -> String {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    defer { try? output.fileHandleForReading.close() }
    while process.isRunning { try await Task.sleep(for: .milliseconds(5)) }
    return String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
}

/// Creates a self-signed certificate in two files. Replaces existing files.
func makeCertificate(for name: String, in directory: ScratchDirectory) async throws -> (chain: String, key: String) {
    let (chain, key) = (directory.path + "/crt", directory.path + "/key")
    _ = try await output(
        of: "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-out", chain, "-keyout", key)
    return (chain, key)
}
