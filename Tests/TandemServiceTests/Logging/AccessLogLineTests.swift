import Foundation
import Testing

@testable import TandemHTTP
@testable import TandemService

/// A request as both formats log it.
@Suite struct AccessLogLineTests {
    private func entry(_ change: (inout AccessLogEntry) -> Void = { _ in }) -> AccessLogEntry {
        var entry = AccessLogEntry(
            method: .get, target: "/blocking/sleep?ms=5", route: "/blocking/sleep", style: .blocking, hub: 1, status: 200,
            bytes: 118, duration: .microseconds(5_214), remoteAddress: "127.0.0.1:51110", outcome: .completed)
        entry.bytesReceived = 75
        entry.requestID = RequestID("id-1")
        entry.traceID = "0af7651916cd43dd8448eb211c80319c"
        entry.version = .http11
        change(&entry)
        return entry
    }

    /// Without the time, whose form it checks.
    private func line(_ change: (inout AccessLogEntry) -> Void = { _ in }) throws -> String {
        var (bytes, stamp) = ([UInt8](), Timestamp())
        AccessLogLine.append(entry(change), &stamp, to: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        let time = text.prefixMatch(of: #/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z /#)
        let end = try #require(time?.range.upperBound)
        return String(text[end...])
    }

    private func object(_ change: (inout AccessLogEntry) -> Void = { _ in }) throws -> [String: Any] {
        var (bytes, stamp) = ([UInt8](), Timestamp())
        AccessLogObject.append(entry(change), &stamp, to: &bytes)
        #expect(bytes.filter { $0 == UInt8(ascii: "\n") }.count == 1 && bytes.last == UInt8(ascii: "\n"))
        #expect(bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test func aRequestIsALine() throws {
        #expect(
            try line() == "blocking hub=1 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 in=75B "
                + "route=/blocking/sleep id=id-1 trace=0af7651916cd43dd8448eb211c80319c HTTP/1.1 tls=no completed\n")
    }

    @Test func aHeadThatCouldNotBeParsedHasNoMethodAndNoTarget() throws {
        let refused: (inout AccessLogEntry) -> Void = {
            $0 = AccessLogEntry(
                method: nil, target: nil, route: nil, style: .none, hub: 1, status: 400, bytes: 118, duration: .zero,
                remoteAddress: "127.0.0.1:51110", outcome: .completed)
        }
        #expect(
            try line(refused) == "none hub=1 - - 400 118B 0.000ms 127.0.0.1:51110 in=0B route=- id=- trace=- - tls=no completed\n"
        )
        let object = try object(refused)
        #expect(object["method"] == nil && object["target"] == nil && object["request_id"] == nil && object["protocol"] == nil)
        #expect(object["status"] as? Int == 400)
    }

    @Test func aRequestIsAnObject() throws {
        let object = try object { $0.isSecure = true }
        #expect((object["time"] as? String)?.count == 24)
        let texts = [
            "type": "request", "method": "GET", "target": "/blocking/sleep?ms=5", "route": "/blocking/sleep", "style": "blocking",
            "request_id": "id-1", "trace_id": "0af7651916cd43dd8448eb211c80319c", "peer": "127.0.0.1:51110",
            "outcome": "completed", "protocol": "HTTP/1.1",
        ]
        for (name, value) in texts { #expect(object[name] as? String == value) }
        for (name, value) in ["status": 200, "bytes_in": 75, "bytes_out": 118, "hub": 1] {
            #expect(object[name] as? Int == value)
        }
        #expect(object["duration_ms"] as? Double == 5.214)
        #expect(object["tls"] as? Bool == true)
        #expect(object.count == texts.count + 7)
    }

    @Test func whatAClientChoseCannotForgeALineOrAField() throws {
        let hostile = "/a\r\nasync hub=0 GET /b\u{1B}[31m \"é\\\u{9B}\u{202E}\u{2028}\u{0}\u{7F} status=200"
        let line = try line {
            $0.target = hostile
            $0.method = .init("BREW")
            $0.route = hostile
        }
        #expect(line.contains(#"/a\x0d\x0aasync\x20hub=0\x20GET\x20/b\x1b[31m\x20\x22\xc3\xa9\x5c"#))
        #expect(line.filter(\.isNewline).count == 1)
        #expect(line.utf8.dropLast().allSatisfy { 0x20...0x7E ~= $0 })
        #expect(line.split(separator: " ").count == 15)
        #expect(try object { $0.target = hostile }["target"] as? String == hostile)
    }

    @Test func bytesThatAreNotUTF8DoNotBreakIt() throws {
        let broken = String(decoding: [0x2F, 0xFF, 0xC0, 0x80, 0xED, 0xA0, 0x80] as [UInt8], as: UTF8.self)
        #expect(try line { $0.target = broken }.utf8.dropLast().allSatisfy { 0x20...0x7E ~= $0 })
        #expect(try object { $0.target = broken }["target"] as? String == broken)
    }

    @Test func aLongTargetIsCut() throws {
        let long = "/" + String(repeating: "a", count: 5_000)
        let found = try line { $0.target = long }
        #expect(found.utf8.count < 1_300)
        #expect(found.contains("aaa... 200 "))
        #expect((try object { $0.target = long }["target"] as? String)?.utf8.count == 1_027)
    }
}
