import Foundation
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct LineWriterTests {
    @Test func `lines of all hubs arrive before finish`() throws {
        let pipe = Pipe()
        let writer = try LineWriter(to: pipe.fileHandleForWriting.fileDescriptor, hubs: 2)
        try writer.start()
        defer { writer.finish() }
        writer.write(hub: 0) { line, _ in line += "one\n".utf8 }
        writer.write(hub: 1) { line, _ in line += "two\n".utf8 }
        var text = ""
        while text.utf8.count < 8 { text += String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self) }
        #expect(Set(text.split(separator: "\n")) == ["one", "two"])
    }

    @Test func `finish writes the remaining lines`() throws {
        let pipe = Pipe()
        let writer = try LineWriter(to: pipe.fileHandleForWriting.fileDescriptor, hubs: 1)
        try writer.start()
        for number in 0..<1_000 { writer.write(hub: 0) { line, _ in line += "\(number)\n".utf8 } }
        writer.finish()
        try pipe.fileHandleForWriting.close()
        let lines = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).split(separator: "\n")
        #expect(lines == (0..<1_000).map { Substring(String($0)) })
    }

    @Test func `a reader that stops reading does not block the hubs`() throws {
        let pipe = Pipe()
        let writer = try LineWriter(to: pipe.fileHandleForWriting.fileDescriptor, hubs: 1)
        try writer.start()
        let line = Array(repeating: UInt8(ascii: "x"), count: 1_023) + [UInt8(ascii: "\n")]
        // Far more than a pipe and the buffers hold: the calls return, and the number of dropped lines is reported.
        for _ in 0..<20_000 { writer.write(hub: 0) { buffer, _ in buffer += line } }
        let reading = Thread { [handle = pipe.fileHandleForReading] in
            LineWriterTests.received.append(handle.readDataToEndOfFile())
        }
        reading.start()
        writer.finish()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: LineWriterTests.received.wait(), as: UTF8.self)
        #expect(text.contains("lines dropped, the reader is too slow\n"))
        #expect(text.utf8.count < 4 << 20)
    }

    @Test func `finish does not wait for a reader that stops reading`() throws {
        let pipe = Pipe()
        let writer = try LineWriter(to: pipe.fileHandleForWriting.fileDescriptor, hubs: 1)
        try writer.start()
        writer.write(hub: 0) { line, _ in line += [UInt8](repeating: 0, count: 1 << 20) }
        let stopwatch = Stopwatch()
        writer.finish()
        #expect(stopwatch.elapsed < .seconds(10))
        // Reads the rest, so that the thread ends before the pipe is closed.
        var left = 1 << 20
        while left > 0 { left -= pipe.fileHandleForReading.availableData.count }
    }

    private static let received = Received()

    /// The data that the reading thread has received.
    private final class Received: @unchecked Sendable {
        private let condition = NSCondition()
        private var data: Data?

        func append(_ data: Data) {
            condition.withLock {
                self.data = data
                condition.signal()
            }
        }

        func wait() -> Data {
            condition.withLock {
                while data == nil { condition.wait() }
                return data!
            }
        }
    }
}
