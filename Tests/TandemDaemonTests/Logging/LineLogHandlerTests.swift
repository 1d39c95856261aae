import Foundation
import Logging
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct LineLogHandlerTests {
    /// Returns the output that `body` logs.
    private func written(_ format: LogFormat, _ body: (Logger) -> Void) throws -> String {
        let pipe = Pipe()
        let output = LogOutput(pipe.fileHandleForWriting.fileDescriptor)
        var logger = Logger(label: "test", factory: { LineLogHandler(label: $0, output: output, format: format) })
        logger.logLevel = .info
        body(logger)
        try pipe.fileHandleForWriting.close()
        return String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    private struct Broken: Error {}

    @Test func `an entry is one line of text`() throws {
        let text = try written(.text) {
            $0.debug("not this")
            $0.info("listening", metadata: ["b": "two words", "a": "1", "c": ["x", "y"]])
        }
        #expect(text.dropFirst(24) == " info test: listening a=1 b=\"two words\" c=\"[\\\"x\\\", \\\"y\\\"]\"\n")
        #expect(text.prefix(24).hasSuffix("Z"))
    }

    @Test func `an entry is one JSON object`() throws {
        let text = try written(.json) {
            var logger = $0
            logger[metadataKey: "own"] = "1"
            logger.error("broken", error: Broken(), metadata: ["request.id": "7", "level": "mine"])
        }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
        #expect(object["time"]?.count == 24)
        var rest = object
        rest["time"] = nil
        #expect(
            rest == [
                "level": "error", "logger": "test", "message": "broken", "error": "Broken()", "own": "1", "request.id": "7",
                "level_": "mine",
            ])
    }

    @Test(arguments: [LogFormat.text, .json])
    func `hostile text cannot forge an entry`(format: LogFormat) throws {
        let hostile =
            "x\n2026-11-25T21:05:51.123Z critical tandemd: forged\r\u{1B}[2J\u{9B}31m\u{202E}\u{2028}\u{0}\"\\ level=critical"
        let text = try written(format) { $0.warning("\(hostile)", metadata: ["\(hostile)": "\(hostile)"]) }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        // The lines of a message after the first are indented.
        #expect(lines.dropFirst().allSatisfy { $0.isEmpty || $0.hasPrefix("    ") })
        #expect(lines.count == (format == .json ? 2 : 3))
        #expect(
            text.unicodeScalars.allSatisfy {
                $0 == "\n" || !($0.properties.generalCategory == .control || $0.properties.generalCategory == .format)
            })
        #expect(!text.contains("\u{2028}"))
        if format == .json {
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
            #expect(object?[hostile] == hostile && object?["message"] == hostile)
        }
    }

    @Test func `a reader that stops reading does not block the logger`() throws {
        let pipe = Pipe()
        let output = LogOutput(pipe.fileHandleForWriting.fileDescriptor)
        let long = String(repeating: "x", count: 10_000)
        for _ in 0..<100 { output.write { line, _ in line += "\(long)\n".utf8 } }
        #expect(output.droppedLines > 80)
        try pipe.fileHandleForReading.close()
    }

    @Test func `each logger has its own level and metadata`() throws {
        let text = try written(.text) {
            var other = $0
            other.logLevel = .critical
            other[metadataKey: "a"] = "1"
            other.error("not this")
            $0.info("this")
        }
        #expect(text.hasSuffix(" this\n") && !text.contains("a=1") && !text.contains("not"))
    }
}
