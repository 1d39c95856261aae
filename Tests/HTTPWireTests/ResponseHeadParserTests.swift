internal import AllocationCount
import HTTPTypes
import HTTPWire
import Testing

@Suite("Response head parser")
struct ResponseHeadParserTests {
    @Test(
        "a status line that is not one is refused",
        arguments: [
            ResponseRefusal("X", .invalidStatusLine),
            ResponseRefusal("\r\nHTTP/1.1 200 OK\r\n\r\n", .invalidStatusLine),
            ResponseRefusal("\n", .invalidStatusLine),
            ResponseRefusal(" HTTP/1.1 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("<html>", .invalidStatusLine),
            ResponseRefusal("ICY 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("http/1.1 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTPS", .invalidStatusLine),
            ResponseRefusal("HTTP 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/ ", .invalidStatusLine),
            ResponseRefusal("HTTP/x", .invalidStatusLine),
            ResponseRefusal("HTTP/1 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/11.1 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.x", .invalidStatusLine),
            ResponseRefusal("HTTP/1.10 200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/2", .unsupportedVersion),
            ResponseRefusal("HTTP/0", .unsupportedVersion),
            ResponseRefusal("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
            ResponseRefusal("HTTP/1.2 200 OK\r\n\r\n", .unsupportedVersion),
            ResponseRefusal("HTTP/1.9", .unsupportedVersion),
            ResponseRefusal("HTTP/1.1\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 \r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1\t200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1  200 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 20 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 20\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 2000 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 -20 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 +20 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 0x2 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 2x0 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 000 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 099 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 600 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 999 OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200\tOK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200\0OK\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200 O\0K\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200 O\u{7F}K\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200 O\u{1B}K\r\n", .invalidStatusLine),
            ResponseRefusal("HTTP/1.1 200\n", .bareLineFeed),
            ResponseRefusal("HTTP/1.1 200 OK\n", .bareLineFeed),
            ResponseRefusal("HTTP/1.1 200 \n", .bareLineFeed),
            ResponseRefusal("HTTP/1.1 200\r200", .bareCarriageReturn),
            ResponseRefusal("HTTP/1.1 200 O\rK\r\n", .bareCarriageReturn),
            ResponseRefusal("HTTP/1.1 200 OK\r\r\n", .bareCarriageReturn),
        ])
    func refusedStatusLine(_ refusal: ResponseRefusal) {
        let parsed = parseResponses(refusal.input)
        #expect(parsed.heads.isEmpty)
        refusal.check(parsed.error)
    }

    @Test(
        "a status line has a version, a status and a reason that may be empty",
        arguments: [
            ("HTTP/1.1 200 OK", .http11, 200, "OK"),
            ("HTTP/1.0 404 Not Found", .http10, 404, "Not Found"),
            ("HTTP/1.1 100 ", .http11, 100, ""),
            ("HTTP/1.1 599", .http11, 599, ""),
            ("HTTP/1.1 301  a\tb ", .http11, 301, " a\tb "),
            ("HTTP/1.1 500 caf\u{E9}: \"!\"", .http11, 500, "caf\u{E9}: \"!\""),
        ] as [(String, HTTPVersion, Int, String)])
    func statusLine(line: String, version: HTTPVersion, status: Int, reason: String) throws {
        let head = try #require(parseResponses(response(line: line)).heads.first)
        #expect(head.version == version)
        #expect(head.status == status)
        #expect(head.reason == reason)
    }

    @Test("each status of three digits from 100 to 599 is accepted, and no other", arguments: 0...999)
    func everyStatus(status: Int) {
        let digits = (status < 10 ? "00" : status < 100 ? "0" : "") + String(status)
        let text = response("Server: a", line: "HTTP/1.1 \(digits) -")
        let parsed = ParsedResponses(Array(text.utf8), ends: [text.utf8.count])
        #expect((parsed.heads.first?.status == status) == (100...599).contains(status))
    }
}
