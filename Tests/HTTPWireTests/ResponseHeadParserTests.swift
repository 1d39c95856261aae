internal import AllocationCount
import HTTPTypes
import HTTPWire
import Testing

struct ResponseHeadParserTests {
    @Test(arguments: [
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
    func `text that is not a status line is refused`(_ refusal: ResponseRefusal) {
        let parsed = parseResponses(refusal.input)
        #expect(parsed.heads.isEmpty)
        refusal.check(parsed.error)
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK", .http11, 200, "OK"),
            ("HTTP/1.0 404 Not Found", .http10, 404, "Not Found"),
            ("HTTP/1.1 100 ", .http11, 100, ""),
            ("HTTP/1.1 599", .http11, 599, ""),
            ("HTTP/1.1 301  a\tb ", .http11, 301, " a\tb "),
            ("HTTP/1.1 500 caf\u{E9}: \"!\"", .http11, 500, "caf\u{E9}: \"!\""),
        ] as [(String, HTTPVersion, Int, String)])
    func `a status line has a version, a status and a reason, which may be empty`(
        line: String, version: HTTPVersion, status: Int, reason: String
    ) throws {
        let head = try #require(parseResponses(response(line: line)).heads.first)
        #expect(head.version == version)
        #expect(head.status == status)
        #expect(head.reason == reason)
    }

    @Test(arguments: 0...999)
    func `exactly the statuses from 100 to 599 are accepted`(status: Int) {
        let digits = (status < 10 ? "00" : status < 100 ? "0" : "") + String(status)
        let text = response("Server: a", line: "HTTP/1.1 \(digits) -")
        let parsed = ParsedResponses(Array(text.utf8), ends: [text.utf8.count])
        #expect((parsed.heads.first?.status == status) == (100...599).contains(status))
    }

    @Test func `a status line at the limit is accepted, one byte more is an error before the line ends`() {
        let limits = HTTPWireLimits(requestLine: 20)
        let atLimit = "HTTP/1.1 200 0123456"
        #expect(parseResponses(response(line: atLimit), limits: limits).heads.count == 1)
        ResponseRefusal("", .statusLineTooLong).check(parseResponses(atLimit + "7", limits: limits).error)
        for limit in 0..<13 {
            let short = HTTPWireLimits(requestLine: limit)
            ResponseRefusal("", .statusLineTooLong).check(parseResponses("HTTP/1.1 200 OK\r\n", limits: short).error)
        }
        #expect(parseResponses(response(line: "HTTP/1.1 200"), limits: HTTPWireLimits(requestLine: 12)).heads.count == 1)
    }

    @Test(arguments: ServerHead.all + ServerHead.unusual)
    func `heads of common servers are parsed`(server: ServerHead) {
        let parsed = parseResponses(server.text + server.text)
        #expect(parsed.error == nil)
        #expect(parsed.heads.count == 2)
        #expect(parsed.heads.first == parsed.heads.last)
        #expect(parsed.heads.first?.byteCount == server.text.utf8.count)
    }

    @Test func `interim responses are parsed as heads, and leave no state to the next one`() {
        let texts = [
            response("Link: </a>", line: "HTTP/1.1 103 Early Hints"), response(line: "HTTP/1.1 100 Continue"),
            response("Content-Length: 7", "Location: /", "Retry-After: 1", "Content-Encoding: gzip", "Connection: close"),
            response("X: a", " b", line: "HTTP/1.0 500 -"), response("Transfer-Encoding: chunked"), response(),
        ]
        let heads = parseResponses(texts.joined()).heads
        #expect(heads.map(\.status) == [103, 100, 200, 500, 200, 200])
        #expect(heads.map(\.framing) == [.none, .none, .length(7), .untilClose, .chunked, .untilClose])
        #expect(heads.map(\.has) == [3, 3, 0, 3, 3, 3].map { none in (0..<3).map { _ in none == 0 } })
        #expect(heads.map(\.byteCount) == texts.map(\.utf8.count))
    }

    @Test func `a head counts as started from its first byte until it is complete`() throws {
        var parser = ResponseHeadParser()
        let bytes = Array(response("X: 1").utf8)
        #expect(!parser.hasStarted)
        #expect(try parser.parse([UInt8]().span.bytes) == nil)
        #expect(!parser.hasStarted)
        for count in 1..<bytes.count {
            let arrived = bytes[..<count]
            #expect(try parser.parse(arrived.span.bytes) == nil)
            #expect(parser.hasStarted)
        }
        #expect(try parser.parse(bytes.span.bytes)?.byteCount == bytes.count)
        #expect(!parser.hasStarted)
    }

    @Test(arguments: ["X", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
    func `every call after an error throws the same error and accepts no further response`(input: String) throws {
        var parser = ResponseHeadParser()
        let bytes = Array((input + response()).utf8)
        func error(from start: Int) -> HTTPParseError? {
            let slice = bytes[start...]
            do throws(HTTPParseError) {
                _ = try parser.parse(slice.span.bytes)
                return nil
            } catch {
                return error
            }
        }
        let first = try #require(error(from: 0))
        #expect(first.message == .response)
        for start in bytes.indices { #expect(error(from: start) == first) }
        #expect(parser.hasStarted)
    }

    @Test(arguments: ServerHead.all + ServerHead.unusual)
    func `a head in reused memory equals one in new memory`(server: ServerHead) throws {
        let bytes = Array(server.text.utf8)
        var parser = ResponseHeadParser()
        for other in ServerHead.all + ServerHead.unusual {
            let used = Array(other.text.utf8)
            var spare = try parser.parse(used.span.bytes)
            let head = try #require(try parser.parse(bytes.span.bytes, reusing: &spare))
            #expect(ResponseSnapshot(head) == ParsedResponses(bytes, ends: 0...bytes.count).heads.first)
            #expect(spare == nil)
        }
    }

    @Test func `a referenced head keeps its memory`() throws {
        let bytes = Array(response("X: 1").utf8)
        let others = Array(response("X: 2", line: "HTTP/1.1 404 No").utf8)
        var parser = ResponseHeadParser()
        let held = try #require(try parser.parse(bytes.span.bytes))
        var spare: ResponseHead? = held
        let head = try #require(try parser.parse(others.span.bytes, reusing: &spare))
        #expect(ResponseSnapshot(held).fields == ["X=1"])
        #expect(head.status == 404)
    }

    @Test(.enabled(if: FastPaths.isEnabled && allocations_are_counted()))
    func `parsing a usual head into reused memory allocates nothing`() throws {
        // The longest has more fields than the inline table holds.
        for server in [ServerHead.all[0], ServerHead.all[ServerHead.all.count - 1]] {
            let bytes = Array(server.text.utf8)
            var parser = ResponseHeadParser()
            var spare = try parser.parse(bytes.span.bytes)
            spare = try parser.parse(bytes.span.bytes, reusing: &spare)
            let before = allocations_of_this_thread()
            for _ in 0..<100 { spare = try parser.parse(bytes.span.bytes, reusing: &spare) }
            #expect(allocations_of_this_thread() - before < 100)
        }
    }

    @Test func `a parser between heads has a size of two words`() {
        #expect(MemoryLayout<ResponseHeadParser>.size == 16)
    }

    @Test func `a head has at most 65,535 bytes, whatever the limits are`() {
        let limits = HTTPWireLimits(requestLine: 1 << 20, fieldLine: 1 << 20, fieldCount: 1 << 20, headBytes: 1 << 20)
        let around = response("X: ").utf8.count
        let text = response("X: " + String(repeating: "a", count: 65_535 - around))
        #expect(parseResponses(text, limits: limits).heads.map(\.byteCount) == [65_535])
        let longer = response("X: " + String(repeating: "a", count: 65_536 - around))
        ResponseRefusal("", .fieldSectionTooLarge).check(parseResponses(longer, limits: limits).error)
        let line = response(line: "HTTP/1.1 200 " + String(repeating: "a", count: 65_536))
        ResponseRefusal("", .statusLineTooLong).check(parseResponses(line, limits: limits).error)
    }
}
