import HTTPTypes
import Testing

@testable import HTTPWire

@Suite("Fast heads")
struct FastHeadTests {
    private func fast(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> HeadSnapshot? {
        var spare: RequestHead?
        return FastHead.parse(bytes.span, limits: HeadLimits(limits), reusing: &spare).map { HeadSnapshot($0) }
    }

    /// Nil if the head is incomplete or wrong.
    private func strict(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> HeadSnapshot? {
        var scan = RequestHeadScan()
        var spare: RequestHead?
        guard let isComplete = try? scan.scan(bytes.span, limits: HeadLimits(limits)), isComplete else { return nil }
        return (try? scan.head(bytes.span, reusing: &spare)).flatMap { $0 }.map { HeadSnapshot($0) }
    }

    @Test("the heads that usual clients send take the fast path", arguments: ClientHead.all)
    func clients(client: ClientHead) throws {
        let bytes = Array(client.text.utf8)
        let expected = try #require(strict(bytes))
        #expect(fast(bytes) == expected)
        #expect(fast(bytes + Array(client.text.utf8)) == expected, "a second head follows")
        for count in bytes.indices { #expect(fast(Array(bytes[..<count])) == nil, "incomplete at \(count)") }
    }

    @Test(
        "what is not usual is left to the strict parser",
        arguments: [
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /# HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaa\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "GET / HTTP/1.1\r\nHost: \r\nX: aaaaaa\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\nxxxxxxxx", "GET / HTTP/1.1\r\nHost: a\n\r\nxxxx",
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000000000\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ])
    func unusual(text: String) {
        #expect(fast(Array(text.utf8)) == nil)
    }

    @Test("every byte, at every place of a head, is judged as by the strict parser")
    func everyByte() {
        let text = "PUT /a%2fb?c=d HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 12\r\nConnection: close\r\nX-Y: z \r\n\r\n"
        let head = Array(text.utf8)
        for place in head.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = head
                bytes[place] = byte
                if let accepted = fast(bytes), accepted != strict(bytes) {
                    Issue.record("byte \(byte) at \(place) is accepted as another head")
                }
            }
        }
    }

    @Test("whatever is accepted, the strict parser accepts as the same head", arguments: 0..<8 as Range<UInt64>)
    func mutations(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        var accepted = 0
        let seeds = ClientHead.all.map(\.text)
        for _ in 0..<4_000 {
            let bytes = mutated(Array(seeds.randomElement(using: &generator)!.utf8), using: &generator)
            let around = Int.random(in: -2...2, using: &generator)
            func limit(_ usual: Int) -> Int {
                Int.random(in: 0..<4, using: &generator) == 0 ? max(0, bytes.count + around) : usual
            }
            let limits = HTTPWireLimits(
                requestLine: limit(8_192), fieldLine: limit(8_192), fieldCount: Int.random(in: 0...20, using: &generator),
                headBytes: limit(32_768))
            guard let head = fast(bytes, limits: limits) else { continue }
            accepted += 1
            if head != strict(bytes, limits: limits) {
                Issue.record("accepted as another head: \(String(decoding: bytes, as: UTF8.self).debugDescription)")
                return
            }
        }
        #expect(accepted > 200, "too few heads were accepted to compare")
    }

    @Test("at most as many fields are accepted as the limit says, and never more than sixteen")
    func fieldCount() {
        func head(_ fields: Int) -> [UInt8] {
            Array(("GET / HTTP/1.1\r\nHost: a\r\n" + (1..<fields).map { "X-\($0): \($0)\r\n" }.joined() + "\r\n").utf8)
        }
        #expect(fast(head(16))?.fields.count == 16)
        #expect(fast(head(17)) == nil)
        #expect(fast(head(4), limits: HTTPWireLimits(fieldCount: 4))?.fields.count == 4)
        #expect(fast(head(5), limits: HTTPWireLimits(fieldCount: 4)) == nil)
    }

    @Test("known methods have the numbers that the scanner gives")
    func methods() throws {
        for method in KnownMethod.allCases {
            guard let name = method.method?.rawValue else { continue }
            let bytes = Array("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            var parser = RequestHeadParser()
            let head = method == .connect ? nil : try parser.parse(bytes.span.bytes)
            #expect(head == nil ? method == .connect : head?.knownMethod == method)
            #expect(KnownMethod(HTTPRequest.Method(name)!) == method)
        }
    }
}
