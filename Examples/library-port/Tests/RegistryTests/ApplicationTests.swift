import Foundation
import RegistryModel
import Testing
import Upstream

extension RegistrySuite {
    /// The applications are processes of their own, so these tests run them as a user does.
    @Suite struct Applications {
        @Test(arguments: 0..<4, [[], ["--green"]])
        func `report prints the same on every stage`(_ stage: Int, _ flags: [String]) throws {
            let upstream = Upstream(Applications.script)
            defer { upstream.close() }
            let output = try run("report\(stage)", flags + [upstream.url, "tea", "coffee", "mud"])
            let digest = sha256(of: Array("leaves".utf8)).prefix(12)
            let bean = sha256(of: Array("beans".utf8)).prefix(12)
            #expect(
                output == """
                    tea 1: 6 bytes, SHA-256 \(digest)…
                    coffee 1: 5 bytes, SHA-256 \(bean)…
                    /mud: unknownPackage after 1 request(s), the last status was 404

                    """)
        }

        @Test(arguments: 0..<4, [[], ["--pool"]])
        func `watch prints the same on every stage`(_ stage: Int, _ flags: [String]) throws {
            let upstream = Upstream(Applications.script)
            defer { upstream.close() }
            let output = try run("watch\(stage)", flags + [upstream.url, "tea", "coffee", "mud"])
            #expect(
                output == """
                    tea 1: 6 bytes
                    coffee 1: 5 bytes
                    /mud: unknownPackage after 1 request(s), the last status was 404

                    """)
        }

        private static let script = release("tea", archive: "leaves")
            .merging(release("coffee", archive: "beans")) { $1 }
            .merging(["/tea": [versions("1")], "/coffee": [versions("0", "1")]]) { $1 }
    }
}

/// Runs a program of this package, and returns its output when it has ended with status 0.
private func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: program)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return String(decoding: text, as: UTF8.self)
}
