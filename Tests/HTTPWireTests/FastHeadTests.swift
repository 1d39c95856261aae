import HTTPTypes
import Testing

@testable import HTTPWire

struct FastHeadTests {
    private func fast(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> HeadSnapshot? {
        var spare: RequestHead?
        return FastHead.parse(bytes.span, limits: HeadLimits(limits), reusing: &spare).map { HeadSnapshot($0) }
    }

    /// Nil if the head is incomplete or malformed.
    private func strict(_ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits()) -> HeadSnapshot? {
        var scan = RequestHeadScan()
        var spare: RequestHead?
        guard let isComplete = try? scan.scan(bytes.span, limits: HeadLimits(limits)), isComplete else { return nil }
        return (try? scan.head(bytes.span, reusing: &spare)).flatMap { $0 }.map { HeadSnapshot($0) }
    }

    private var comparison: FastAgainstStrict<HeadSnapshot> {
        FastAgainstStrict(fast: { fast($0, limits: $1) }, strict: { strict($0, limits: $1) })
    }

    @Test(arguments: ClientHead.all)
    func `the heads of common clients take the fast path`(client: ClientHead) throws {
        let bytes = Array(client.text.utf8)
        let expected = try #require(strict(bytes))
        #expect(fast(bytes) == expected)
        #expect(fast(bytes + Array(client.text.utf8)) == expected, "a second head follows")
        for count in bytes.indices { #expect(fast(Array(bytes[..<count])) == nil, "incomplete at \(count)") }
    }

    @Test(arguments: [
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
    func `unusual heads are left to the strict parser`(text: String) {
        #expect(fast(Array(text.utf8)) == nil)
    }

    @Test func `for every byte at every place the fast path agrees with the strict parser`() {
        let text = "PUT /a%2fb?c=d HTTP/1.1\r\nHost: a.b:80\r\nContent-Length: 12\r\nConnection: close\r\nX-Y: z \r\n\r\n"
        comparison.checkEveryByte(of: Array(text.utf8))
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `the strict parser reads each accepted mutated head in the same way`(seed: UInt64) {
        let seeds = ClientHead.all.map(\.text)
        comparison.checkMutations(seed: seed, mostFields: 20) { Array(seeds.randomElement(using: &$0)!.utf8) }
    }

    @Test func `the fast path accepts as many fields as the limit allows, and at most sixteen`() {
        func head(_ fields: Int) -> [UInt8] {
            Array(("GET / HTTP/1.1\r\nHost: a\r\n" + (1..<fields).map { "X-\($0): \($0)\r\n" }.joined() + "\r\n").utf8)
        }
        #expect(fast(head(16))?.fields.count == 16)
        #expect(fast(head(17)) == nil)
        #expect(fast(head(4), limits: HTTPWireLimits(fieldCount: 4))?.fields.count == 4)
        #expect(fast(head(5), limits: HTTPWireLimits(fieldCount: 4)) == nil)
    }

    @Test func `the scanner's method numbers match the known methods`() throws {
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
