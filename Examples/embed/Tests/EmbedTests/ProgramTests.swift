import Foundation
import Testing

/// Runs the programs as their first lines say, and checks what they print.
@Suite(.timeLimit(.minutes(1)))
struct ProgramTests {
    private static let package = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func `a hub is a guest on Python's asyncio`() throws {
        let output = try output(
            of: ["python3", Self.package.appending(path: "guest.py").path, try product("libAsyncioGuest.so")])
        #expect(
            output == """
                sums: 55 55 55
                timers: done
                descriptors: done
                green threads: done
                async tasks: done
                other threads: done
                on asyncio's thread: True
                asyncio ticked meanwhile: True
                descriptors that another guest left open: 0

                """)
    }

    @Test func `a guest on a loop around epoll runs every task of the process`() throws {
        #expect(
            try output(of: [product("epoll-guest")]) == """
                timers: done
                descriptors: done
                greenThreads: done
                asyncTasks: done
                otherThreads: done
                a detached task is on the loop's thread: true
                the loop ticked meanwhile: true
                a task that waited was cancelled with the hub: true
                descriptors left open: 0

                """)
    }

    /// The path of a product, which is built beside the tests.
    private func product(_ name: String) throws -> String {
        URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent().appending(path: name).path
    }

    /// Runs a program, which must end with status 0, and returns what it prints.
    private func output(of command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["timeout", "50"] + command
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return text
    }
}
