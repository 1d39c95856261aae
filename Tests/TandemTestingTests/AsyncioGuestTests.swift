import Foundation
import Testing

/// Runs Examples/AsyncioGuest as its first lines say.
@Suite(.timeLimit(.minutes(1)))
struct AsyncioGuestTests {
    @Test func `a hub is a guest on Python's asyncio`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let products = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent()
        let python = Process()
        python.executableURL = URL(filePath: "/usr/bin/env")
        python.arguments = [
            "python3", root.appending(path: "Examples/AsyncioGuest/guest.py").path,
            products.appending(path: "libAsyncioGuest.so").path,
        ]
        let output = Foundation.Pipe()
        python.standardOutput = output
        try python.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
        #expect(text == "sums: 55 55 55\non asyncio's thread: True\nasyncio ticked meanwhile: True\n")
    }
}
