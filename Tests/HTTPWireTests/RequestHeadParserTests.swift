import HTTPWire
import Testing

@Suite("Request head parser")
struct RequestHeadParserTests {
    @Test("pipelined requests come out one after the other, however they are cut")
    func pipelining() {
        let texts = [
            request(), "\r\n" + request("X: 1", line: "POST /b HTTP/1.1"), request(line: "GET /c HTTP/1.0", host: false),
        ]
        let parsed = parse(texts.joined())
        #expect(parsed.error == nil)
        #expect(parsed.heads.map(\.byteCount) == texts.map(\.utf8.count))
        #expect(parsed.heads.map { $0.line[1] } == ["/", "/b", "/c"])
        #expect(parsed.heads.map { $0.flags[0] } == [true, true, false])
    }

    @Test("nothing of a request is left over for the next")
    func reset() {
        let texts = [
            request("Content-Length: 0", "Connection: close", "Expect: 100-continue", line: "POST /?a HTTP/1.1"), request(),
            request("Transfer-Encoding: chunked"), request(),
        ]
        let heads = parse(texts.joined()).heads
        #expect(heads.map(\.framing) == [.length(0), .none, .chunked, .none])
        #expect(heads.map(\.flags) == [[false, true], [true, false], [true, false], [true, false]])
        #expect(heads.map { $0.line[3] } == ["a", nil, nil, nil])
    }

    @Test("an incomplete head is nil, and the rest of it completes it")
    func incomplete() throws {
        var parser = RequestHeadParser()
        let bytes = Array(request("X: 1").utf8)
        for count in 0..<bytes.count {
            let arrived = bytes[..<count]
            let head = try parser.parse(arrived.span.bytes)
            #expect(head?.byteCount == nil)
        }
        let head = try parser.parse(bytes.span.bytes)
        #expect(head?.byteCount == bytes.count)
    }

    @Test("a request has started with the first byte of its request line")
    func hasStarted() throws {
        var parser = RequestHeadParser()
        func started(after text: String) throws -> Bool {
            let bytes = Array(text.utf8)
            _ = try parser.parse(bytes.span.bytes)
            return parser.hasStarted
        }
        #expect(!parser.hasStarted)
        #expect(try !started(after: ""))
        #expect(try !started(after: "\r"))
        #expect(try !started(after: "\r\n"))
        #expect(try started(after: "\r\nG"))
        #expect(try started(after: "\r\n" + request().dropLast()))
        #expect(try !started(after: "\r\n" + request()))
        #expect(try started(after: "G"))
    }

    @Test("more fields than the table holds in place are kept in order")
    func manyFields() {
        let lines = (1...99).map { "X-\($0): \($0)" }
        let text = "GET / HTTP/1.1\r\nHost: a\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n"
        let whole = Parsed(Array((text + text).utf8), ends: [text.utf8.count * 2])
        #expect(whole.heads.count == 2)
        for head in whole.heads { #expect(head.fields == ["Host=a"] + (1...99).map { "X-\($0)=\($0)" }) }
        #expect(Parsed(Array((text + text).utf8), ends: 0...(text.utf8.count * 2)) == whole)
    }
}
