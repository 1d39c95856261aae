import Foundation
import HTTPWire
import Testing

@testable import TandemHTTP
@testable import TandemDaemon

/// One request in both formats of the access log.
@Suite struct AccessLogLineTests {
    private func head(_ line: String) throws -> RequestHead {
        var parser = RequestHeadParser(limits: HTTPWireLimits())
        let bytes = Array("\(line)\r\nHost: a\r\n\r\n".utf8)
        let head = try parser.parse(bytes.span.bytes)
        return try #require(head)
    }

    private func entry(
        _ requestLine: String? = "GET /blocking/sleep?ms=5 HTTP/1.1", _ change: (inout AccessLogEntry) -> Void = { _ in }
    ) throws -> AccessLogEntry {
        var entry = AccessLogEntry(
            head: try requestLine.map(head), route: "/blocking/sleep", style: .blocking, hub: 1, status: 200, bytes: 118,
            nanoseconds: 5_214_999, remoteAddress: "127.0.0.1:51110", outcome: .completed, bytesReceived: 75,
            requestID: RequestID("id-1"),
            span: TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        change(&entry)
        return entry
    }

    /// Returns the line without the time, after checking the time's format.
    private func line(_ entry: AccessLogEntry) throws -> String {
        var (bytes, stamp) = ([UInt8](), Timestamp())
        AccessLogLine.append(entry, &stamp, to: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        let time = text.prefixMatch(of: #/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z /#)
        let end = try #require(time?.range.upperBound)
        return String(text[end...])
    }

    private func object(_ entry: AccessLogEntry) throws -> [String: Any] {
        var (bytes, stamp) = ([UInt8](), Timestamp())
        AccessLogObject.append(entry, &stamp, to: &bytes)
        #expect(bytes.filter { $0 == UInt8(ascii: "\n") }.count == 1 && bytes.last == UInt8(ascii: "\n"))
        #expect(bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private func refused() -> AccessLogEntry {
        AccessLogEntry(
            head: nil, route: nil, style: .none, hub: 1, status: 400, bytes: 118, nanoseconds: 0,
            remoteAddress: "127.0.0.1:51110", outcome: .completed)
    }

    @Test func `a request is one line`() throws {
        #expect(
            try line(entry()) == "blocking hub=1 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 in=75B "
                + "route=/blocking/sleep id=id-1 trace=0af7651916cd43dd8448eb211c80319c HTTP/1.1 tls=no completed\n")
    }

    @Test func `a request is one JSON object`() throws {
        var (bytes, stamp) = ([UInt8](), Timestamp())
        AccessLogObject.append(try entry { $0.isSecure = true }, &stamp, to: &bytes)
        let expected =
            #"","type":"request","method":"GET","target":"/blocking/sleep?ms=5","route":"/blocking/sleep","style":"blocking","#
            + #""status":200,"bytes_in":75,"bytes_out":118,"duration_ms":5.214,"request_id":"id-1","#
            + #""trace_id":"0af7651916cd43dd8448eb211c80319c","peer":"127.0.0.1:51110","hub":1,"outcome":"completed","#
            + #""protocol":"HTTP/1.1","tls":true}"#
        #expect(String(decoding: bytes, as: UTF8.self).dropFirst(9 + 24) == expected + "\n")
        #expect((try object(entry())["time"] as? String)?.count == 24)
    }

    @Test func `a malformed head has no method and no target`() throws {
        #expect(
            try line(refused())
                == "none hub=1 - - 400 118B 0.000ms 127.0.0.1:51110 in=0B route=- id=- trace=- - tls=no completed\n")
        let object = try object(refused())
        #expect(object["method"] == nil && object["target"] == nil && object["request_id"] == nil && object["protocol"] == nil)
        #expect(object["status"] as? Int == 400)
    }

    @Test func `the client's trace is logged when the server does not trace`() throws {
        let id = "0af7651916cd43dd8448eb211c80319c"
        let traced = try head("GET / HTTP/1.1\r\ntraceparent: 00-\(id)-b7ad6b7169203331-01")
        var entry = refused()
        entry.head = traced
        #expect(entry.traceID == id)
        #expect(try line(entry).contains(" trace=\(id) "))
        #expect(try object(entry)["trace_id"] as? String == id)
    }

    @Test func `text from clients cannot forge a line or a field`() throws {
        let hostile = "/a\r\nasync hub=0 GET /b\u{1B}[31m \"é\\\u{9B}\u{202E}\u{2028}\u{0}\u{7F} status=200"
        let id = #"a"b\c"#
        let entry = try entry(#"!#$%&'*+-.^_`|~ /a%0d%0a?"# + #"\x20\'{|}^` HTTP/1.0"#) {
            $0.route = hostile
            $0.requestID = RequestID(id)
        }
        let line = try line(entry)
        #expect(line.contains(#" route=/a\x0d\x0aasync\x20hub=0\x20GET\x20/b\x1b[31m\x20\x22\xc3\xa9\x5c"#))
        #expect(line.contains(#" !#$%&'*+-.^_`|~ /a%0d%0a?\x5cx20\x5c'{|}^` 200 "#))
        #expect(line.contains(#" id=a\x22b\x5cc "#) && line.contains(" HTTP/1.0 "))
        #expect(line.filter(\.isNewline).count == 1)
        #expect(line.utf8.dropLast().allSatisfy { 0x20...0x7E ~= $0 })
        #expect(line.split(separator: " ").count == 15)
        let object = try object(entry)
        #expect(object["route"] as? String == hostile && object["request_id"] as? String == id)
        #expect(object["target"] as? String == #"/a%0d%0a?\x20\'{|}^`"#)
    }

    @Test func `the longest values fit`() throws {
        let long = "/" + String(repeating: #"\"#, count: 5_000)
        let entry = try entry("\(String(repeating: "A", count: 2_000)) /?\(long) HTTP/1.1") {
            $0.route = long
            $0.requestID = RequestID(String(repeating: "\"", count: RequestID.longest))
            ($0.hub, $0.status, $0.bytes, $0.bytesReceived, $0.nanoseconds) = (.max, .max, .max, .max, .max)
            $0.remoteAddress = String(repeating: "[::1]", count: 1_000)
        }
        let most = "9223372036854775807"
        let line = try line(entry)
        #expect(line.hasPrefix("blocking hub=\(most) \(String(repeating: "A", count: 1_024))... /?/\\x5c\\x5c"))
        #expect(line.contains(#"\x5c\x5c... \#(most) \#(most)B 9223372036854.775ms [::1]"#))
        #expect(line.contains(#"\x5c\x5c... id=\x22\x22"#))
        #expect(line.utf8.count < 20_000)
        #expect((try object(entry)["target"] as? String)?.utf8.count == 1_027)
        #expect((try object(entry)["method"] as? String)?.utf8.count == 2_000)
    }

    @Test func `bytes outside visible ASCII are escaped everywhere`() {
        for length in 0...40 {
            for position in -1..<length {
                for byte in 0...255 as ClosedRange<UInt8> {
                    var text = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    if position >= 0 { text[position] = byte }
                    var line: [UInt8] = []
                    text.withUnsafeBufferPointer { text in
                        LineBytes.append(to: &line, room: 200) { $0.append(escaping: text, limit: 1_024) }
                    }
                    let isPlain = 0x21...0x7E ~= byte && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
                    let hex = String(byte, radix: 16)
                    let escaped = isPlain ? [byte] : Array("\\x\(hex.count == 1 ? "0" : "")\(hex)".utf8)
                    let expected = text.indices.flatMap { $0 == position ? escaped : [text[$0]] }
                    if line != expected { Issue.record("byte \(byte) at \(position) of \(length)") }
                    if position < 0 { break }
                }
            }
        }
    }

    @Test func `numbers are decimal`() {
        for number in [0, 7, 9, 10, 99, 100, 101, 999, 1_000, 65_536, 1_234_567_890, .max, -1, -10, .min] {
            var line: [UInt8] = []
            LineBytes.append(to: &line, room: 20) { $0.append(decimal: number) }
            #expect(String(decoding: line, as: UTF8.self) == "\(number)")
        }
        for (nanoseconds, text) in [(0, "0.000"), (999, "0.000"), (1_000, "0.001"), (12_345_678, "12.345"), (-5, "0.000")] {
            var line: [UInt8] = []
            LineBytes.append(to: &line, room: 20) { $0.append(milliseconds: nanoseconds) }
            #expect(String(decoding: line, as: UTF8.self) == text)
        }
    }
}
