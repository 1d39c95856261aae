import Foundation
import TandemHTTP
import Testing

@testable import TandemDaemon

private let analyze = "/usr/bin/systemd-analyze"

/// config/tandemd.service and config/tandemd.socket.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct UnitFilesTests {
    private func text(_ name: String) throws -> String {
        try String(contentsOfFile: packageRoot + "config/" + name, encoding: .utf8)
    }

    private func value(_ key: String, _ unit: String) -> String? {
        unit.split(separator: "\n").last { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
    }

    /// Runs systemd-analyze, and returns its output and exit code.
    private func analyze(_ arguments: String...) throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(filePath: TandemDaemonTests.analyze)
        process.arguments = arguments
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (output, process.terminationStatus)
    }

    @Test(.enabled(if: access(TandemDaemonTests.analyze, X_OK) == 0, "systemd-analyze is not installed"))
    func `systemd accepts both units`() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        var paths: [String] = []
        for name in ["tandemd.service", "tandemd.socket"] {
            let path = directory.appending(path: name).path()
            // systemd-analyze checks that the binary exists.
            try text(name).replacing("/usr/bin/tandemd", with: Daemon.binary.path()).write(
                toFile: path, atomically: true, encoding: .utf8)
            paths.append(path)
        }
        let verified = try analyze("verify", "--man=no", paths[0], paths[1])
        #expect(verified.output == "")
        #expect(verified.status == 0)
    }

    @Test(.enabled(if: access(TandemDaemonTests.analyze, X_OK) == 0, "systemd-analyze is not installed"))
    func `the exposure of the service is at most 2.0`() throws {
        let security = try analyze(
            "security", "--offline=true", "--threshold=20", "--no-pager", packageRoot + "config/tandemd.service")
        #expect(security.status == 0, "\(security.output)")
    }

    @Test func `the unit waits longer than the daemon takes to stop`() throws {
        let unit = try text("tandemd.service")
        let http = DaemonConfiguration().http
        let timeout = try #require(value("TimeoutStopSec", unit).flatMap { Int64($0) })
        #expect(.seconds(timeout) > http.stopDelay + http.stopGrace + http.cleanupTimeout + Supervisor.margin)
        // Otherwise systemd would end a service that only reports a stall.
        let watchdog = try #require(value("WatchdogSec", unit).flatMap { Int64($0) })
        #expect(.seconds(watchdog) > DaemonConfiguration().stallThreshold)
        #expect(value("Type", unit) == "notify")
        #expect(value("KillMode", unit) == "mixed")
        #expect(value("RestartPreventExitStatus", unit) == "78")
    }

    @Test func `the socket has the name that the configuration uses`() throws {
        let unit = try text("tandemd.socket")
        let name = try #require(value("FileDescriptorName", unit))
        #expect(unit.contains("listen: [\"systemd:\(name)\"]"))
    }
}
