import HTTPTypes
import Testing

@testable import HTTPWire

struct FastResponseHeadTests {
    private func fast(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> ResponseSnapshot? {
        var spare: ResponseHead?
        return FastResponseHead.parse(bytes.span, limits: HeadLimits(limits), reusing: &spare).map { ResponseSnapshot($0) }
    }

    /// Nil if the head is incomplete or malformed.
    private func strict(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> ResponseSnapshot? {
        var parser = StrictParser<ResponseHeadScan>()
        var spare: ResponseHead?
        return (try? parser.parse(bytes.span, limits: HeadLimits(limits), reusing: &spare)).flatMap { $0 }.map {
            ResponseSnapshot($0)
        }
    }

    private var comparison: FastAgainstStrict<ResponseSnapshot> {
        FastAgainstStrict(fast: { fast($0, limits: $1) }, strict: { strict($0, limits: $1) })
    }

    @Test(arguments: ServerHead.all)
    func `the heads of common servers take the fast path`(server: ServerHead) throws {
        let bytes = Array(server.text.utf8)
        let expected = try #require(strict(bytes))
        #expect(fast(bytes) == expected)
        #expect(fast(bytes + Array("content".utf8)) == expected, "the content follows")
        for count in bytes.indices { #expect(fast(Array(bytes[..<count])) == nil, "incomplete at \(count)") }
    }

    @Test(arguments: ServerHead.unusual)
    func `correct but unusual heads are left to the strict parser`(server: ServerHead) {
        let bytes = Array(server.text.utf8)
        #expect(fast(bytes) == nil)
        #expect(strict(bytes) != nil)
    }

    @Test(arguments: [
        response(line: "HTTP/1.1 600 OK"), response(line: "HTTP/1.1 099 OK"), response(line: "HTTP/1.1 2000 OK"),
        response(line: "HTTP/1.1 200OK"), response(line: "HTTP/1.1  200 OK"), response(line: "HTTP/1.2 200 OK"),
        response(line: "HTTP/1.1 200 O\0K"), response(line: "HTTP/1.1 200\tOK"), response(line: "http/1.1 200 OK"),
        "HTTP/1.1 200 OK\nX: a\n\nxxxxxxxx", "HTTP/1.1 200 OK\r\nX: a\n\r\nxxxx", "\r\n" + response(),
        response(" X: a"), response("X : a"), response("X"), response(": a"), response("X: a\0b"),
        response("Content-Length: +1"), response("Content-Length:"), response("Content-Length: 1,"),
        response("Content-Length: 1", "Content-Length: 2"), response("Transfer-Encoding: gzip, chunked"),
        response("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        response("Transfer-Encoding: chunked", "Content-Length: 1"),
        response("Content-Length: 1", "Transfer-Encoding: chunked"),
        response("Transfer-Encoding: chunked\r\n "), response("Content-Length: 1\r\n "),
    ])
    func `malformed heads are left to the strict parser`(text: String) {
        let bytes = Array(text.utf8)
        #expect(fast(bytes) == nil)
        #expect(strict(bytes) == nil)
    }

    @Test func `for every byte at every place the fast path agrees with the strict parser`() {
        let text =
            "HTTP/1.1 301 Moved\r\nContent-Length: 12\r\nConnection: close\r\nX-Y: z \r\nLocation: /\r\nRetry-After: 1\r\n"
            + "Content-Encoding: br\r\n\r\n"
        let chunked = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nconnection: keep-alive\r\n\r\n"
        for head in [text, chunked] { comparison.checkEveryByte(of: Array(head.utf8)) }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `the strict parser reads each accepted mutated head in the same way`(seed: UInt64) {
        comparison.checkMutations(seed: seed, mostFields: 40) { generator in
            let isGenerated = Bool.random(using: &generator)
            return Array((isGenerated ? generated(&generator) : ServerHead.all.randomElement(using: &generator)!.text).utf8)
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `a generated head gives the same result whole, cut and without the fast path`(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var accepted = 0
        for _ in 0..<600 {
            let bytes = mutated(Array((generated(&generator) + generated(&generator)).utf8), using: &generator)
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let isLimited = Int.random(in: 0..<4, using: &generator) == 0
            let limits =
                isLimited ? HTTPWireLimits(requestLine: 16, fieldLine: 22, fieldCount: 4, headBytes: 60) : HTTPWireLimits()
            let whole = ParsedResponses(bytes, ends: [bytes.count], limits: limits)
            let pieces = ParsedResponses(bytes, ends: [cut, bytes.count], limits: limits)
            let byByte = ParsedResponses(bytes, ends: 0...bytes.count, limits: limits)
            if pieces != whole || byByte != whole {
                Issue.record("cut at \(cut): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
                return
            }
            accepted += whole.heads.count
        }
        #expect(accepted > 100, "too few heads were accepted to compare")
    }

    @Test func `the fast path accepts as many fields as the limit allows, and at most 32`() {
        func head(_ fields: Int) -> [UInt8] {
            Array(("HTTP/1.1 200 OK\r\n" + (0..<fields).map { "X-\($0): \($0)\r\n" }.joined() + "\r\n").utf8)
        }
        #expect(fast(head(0))?.fields.count == 0)
        #expect(fast(head(32))?.fields.count == 32)
        #expect(fast(head(33)) == nil)
        #expect(fast(head(4), limits: HTTPWireLimits(fieldCount: 4))?.fields.count == 4)
        #expect(fast(head(5), limits: HTTPWireLimits(fieldCount: 4)) == nil)
    }

    /// A head generated from parts, most of them correct.
    private func generated(_ generator: inout SeededGenerator) -> String {
        let lines = ["HTTP/1.1 200 OK", "HTTP/1.1 204", "HTTP/1.1 304 ", "HTTP/1.0 200 OK", "HTTP/1.1 103 a\tb", "HTTP/2 200"]
        let fields = [
            "Content-Length: 5", "content-length: 5", "Content-Length: 5, 5", "Content-Length: 6", "Transfer-Encoding: chunked",
            "Connection: close", "Connection: Keep-Alive", "connection: a, close", "Location: /a", "Retry-After: 1",
            "Content-Encoding: gzip", "X: a\r\n b", "X:\r\n\t", "X:", "Y: \t z \t", "Server: a", "Set-Cookie: a=b", "Z: é",
        ]
        let line = Int.random(in: 0..<4, using: &generator) == 0 ? lines.randomElement(using: &generator)! : lines[0]
        let count = Int.random(in: 0..<6, using: &generator)
        return ([line] + (0..<count).map { _ in fields.randomElement(using: &generator)! }).map { $0 + "\r\n" }.joined() + "\r\n"
    }
}
