import HTTPWire
import Testing

struct RequestLineScannerTests {
    @Test(arguments: [
        Refusal("GET  / HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /  HTTP/1.1\r\n", .invalidVersion),
        Refusal("GET / HTTP/1.1 \r\n", .invalidVersion),
        Refusal("GET\t/ HTTP/1.1\r\n", .invalidMethod),
        Refusal(" GET / HTTP/1.1\r\n", .invalidMethod),
        Refusal("G@T / HTTP/1.1\r\n", .invalidMethod),
        Refusal("GÉT / HTTP/1.1\r\n", .invalidMethod),
        Refusal("GET\r\n", .invalidMethod),
        Refusal("\u{16}\u{3}\u{1}", .invalidMethod),
        Refusal("\r\n\r\n", .invalidMethod),
        Refusal("\n", .bareLineFeed),
        Refusal("\rG", .bareCarriageReturn),
        Refusal("GET\n", .bareLineFeed),
        Refusal("GET /\r\n", .missingVersion),
        Refusal("GET /\n", .bareLineFeed),
        Refusal("GET / \r\n", .invalidVersion),
        Refusal("GET / HTTP\r\n", .invalidVersion),
        Refusal("GET / HTTP/1\r\n", .invalidVersion),
        Refusal("GET / HTTP/1.\r\n", .invalidVersion),
        Refusal("GET / HTTP/1.1.\r\n", .invalidVersion),
        Refusal("GET / HTTP/1.11\r\n", .invalidVersion),
        Refusal("GET / HTTP/11.1\r\n", .invalidVersion),
        Refusal("GET / http/1.1\r\n", .invalidVersion),
        Refusal("GET / HTTPS/1.1\r\n", .invalidVersion),
        Refusal("GET / ICY/1.1\r\n", .invalidVersion),
        Refusal("GET / HTTP/1.1\n", .bareLineFeed),
        Refusal("GET / HTTP/1\n", .bareLineFeed),
        Refusal("GET / HTTP/1.1\rX", .bareCarriageReturn),
        Refusal("GET / HTTP/1.1\r\r\n", .bareCarriageReturn),
        Refusal("GET / HTTP/1.2\r\n", .unsupportedVersion, 505),
        Refusal("GET / HTTP/0.9\r\n", .unsupportedVersion, 505),
        Refusal("GET / HTTP/2.0\r\n", .unsupportedVersion, 505),
        Refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion, 505),
        Refusal("GET /a#b HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /a\tb HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /a\u{0}b HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /a\u{7F}b HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /é HTTP/1.1\r\n", .invalidTarget),
        Refusal("GET /a% HTTP/1.1\r\n", .invalidPercentEncoding),
        Refusal("GET /a%4 HTTP/1.1\r\n", .invalidPercentEncoding),
        Refusal("GET /a%4g HTTP/1.1\r\n", .invalidPercentEncoding),
        Refusal("GET /?a=%% HTTP/1.1\r\n", .invalidPercentEncoding),
    ])
    func `a malformed request line is refused`(_ refusal: Refusal) {
        refusal.check(parse(refusal.input).error)
    }

    @Test func `an error is reported without waiting for the rest of the line`() {
        #expect(parse("G@").error == .invalidMethod)
        #expect(parse("GET /#").error == .invalidTarget)
        #expect(parse("GET / X").error == .invalidVersion)
        #expect(parse("PRI * HTTP/2.0").error == .unsupportedVersion)
    }

    @Test func `one empty line before the request line is skipped and counted as consumed`() {
        let parsed = parse("\r\n" + request())
        #expect(parsed.heads.count == 1)
        #expect(parsed.heads.first?.byteCount == request().utf8.count + 2)
        #expect(parsed.heads.first?.line.first == "GET")
    }

    @Test func `a request line at the limit is accepted, one byte more is 414 before the line ends`() {
        let limits = HTTPWireLimits(requestLine: 40)
        let atLimit = "GET /" + String(repeating: "a", count: 26) + " HTTP/1.1"
        #expect(atLimit.utf8.count == 40)
        #expect(parse(request(line: atLimit), limits: limits).heads.count == 1)
        #expect(parse("\r\n" + request(line: atLimit), limits: limits).heads.count == 1)
        for line in [
            "GET /" + String(repeating: "a", count: 36), atLimit + "1", "GET /" + String(repeating: "a", count: 27) + " HTTP/1.1",
            String(repeating: "A", count: 41), "GET /" + String(repeating: "a", count: 34) + " H",
        ] {
            #expect(parse(line, limits: limits).error == .requestLineTooLong, "\(line)")
            #expect(parse(String(line.prefix(40)), limits: limits).error == nil, "\(line)")
        }
        #expect(HTTPParseError(.requestLineTooLong).status == 414)
    }

    @Test func `a request line longer than offsets can address is refused without a trap`() {
        let limits = HTTPWireLimits(requestLine: .max, fieldLine: .max, headBytes: .max)
        let line = "GET /" + String(repeating: "a", count: 65_521) + " HTTP/1.1\r\nHost: a\r\n\r\n"
        #expect(Parsed(Array(line.utf8), ends: [line.utf8.count], limits: limits).error == .fieldSectionTooLarge)
        let longer = "GET /" + String(repeating: "a", count: 70_000)
        #expect(Parsed(Array(longer.utf8), ends: [longer.utf8.count], limits: limits).error == .requestLineTooLong)
    }
}
