import Foundation
import Testing

private let nginx = "/usr/sbin/nginx"

/// The short form of scripts/measure/rolling-restart.
@Suite(.timeLimit(.minutes(1)), .enabled(if: access(nginx, X_OK) == 0, "nginx is not installed"))
struct RollingRestartTests {
    @Test func `two instances behind nginx lose no request`() async throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "python3", packageRoot + "scripts/lib/rolling_restart.py", "--tandemd", Daemon.binary.path(), "--rounds", "1",
            "--clients", "8",
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(output)")
        #expect(output.contains(", lost 0,"), "\(output)")
    }
}
