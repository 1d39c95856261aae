import HTTPWire
import Testing

struct ControlFieldsTests {
    @Test(arguments: [
        Refusal(request("Content-Length: 3", "Content-Length: 3"), .duplicateContentLength),
        Refusal(request("Content-Length: 3", "content-length: 4"), .duplicateContentLength),
        Refusal(request("Content-Length: 3, 3"), .invalidContentLength),
        Refusal(request("Content-Length: +3"), .invalidContentLength),
        Refusal(request("Content-Length: -3"), .invalidContentLength),
        Refusal(request("Content-Length: 0x3"), .invalidContentLength),
        Refusal(request("Content-Length: 3 3"), .invalidContentLength),
        Refusal(request("Content-Length: 3_0"), .invalidContentLength),
        Refusal(request("Content-Length: 3.0"), .invalidContentLength),
        Refusal(request("Content-Length: \"3\""), .invalidContentLength),
        Refusal(request("Content-Length: ٣"), .invalidContentLength),
        Refusal(request("Content-Length:"), .invalidContentLength),
        Refusal(request("Content-Length:  "), .invalidContentLength),
        Refusal(request("Content-Length: 9223372036854775808"), .invalidContentLength),
        Refusal(request("Content-Length: 18446744073709551617"), .invalidContentLength),
        Refusal(request("Content-Length: 99999999999999999999999999"), .invalidContentLength),
        Refusal(request("Transfer-Encoding: chunked", "Content-Length: 3"), .conflictingFraming),
        Refusal(request("Content-Length: 3", "Transfer-Encoding: chunked"), .conflictingFraming),
        Refusal(request("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding: chunked, chunked"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding: chunked, gzip"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding: chunked,"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding: ,chunked"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding:"), .invalidTransferEncoding),
        Refusal(request("Transfer-Encoding: chunked", line: "GET / HTTP/1.0"), .transferEncodingInHTTP10),
        Refusal(request("Transfer-Encoding: gzip, chunked"), .unsupportedTransferCoding, 501),
        Refusal(request("Transfer-Encoding: gzip"), .unsupportedTransferCoding, 501),
        Refusal(request("Transfer-Encoding: identity"), .unsupportedTransferCoding, 501),
        Refusal(request("Transfer-Encoding: xchunked"), .unsupportedTransferCoding, 501),
        Refusal(request("Transfer-Encoding: chunked;q=1"), .unsupportedTransferCoding, 501),
        Refusal(request("Transfer-Encoding: \"chunked\""), .unsupportedTransferCoding, 501),
    ])
    func `framing that two recipients could read differently is refused`(_ refusal: Refusal) {
        refusal.check(parse(refusal.input).error)
    }

    @Test(
        arguments: [
            (request(), .none),
            (request("Content-Length: 0"), .length(0)),
            (request("Content-Length: 42"), .length(42)),
            (request("content-LENGTH:\t007 "), .length(7)),
            (request("Content-Length: 9223372036854775807"), .length(.max)),
            (request("Transfer-Encoding: chunked"), .chunked),
            (request("transfer-encoding: CHUNKED"), .chunked),
            (request("Content-Length: 5", line: "GET / HTTP/1.0"), .length(5)),
            (request("Content-Length-X: 5", "Transfer_Encoding: chunked"), .none),
        ] as [(String, BodyFraming)])
    func `unambiguous framing is accepted`(input: String, framing: BodyFraming) {
        #expect(parse(input).heads.first?.framing == framing)
    }

    @Test(arguments: [
        Refusal(request(host: false), .missingHost),
        Refusal(request(line: "GET http://a/ HTTP/1.1", host: false), .missingHost),
        Refusal(request("Host: a"), .duplicateHost),
        Refusal(request("hOST: b", line: "GET / HTTP/1.0"), .duplicateHost),
        Refusal(request("Host:", host: false), .invalidHost),
        Refusal(request("Host: ", line: "GET / HTTP/1.0", host: false), .invalidHost),
        Refusal(request("Host: a b", host: false), .invalidHost),
        Refusal(request("Host: a, b", host: false), .invalidHost),
        Refusal(request("Host: user@a", host: false), .invalidHost),
        Refusal(request("Host: http://a", host: false), .invalidHost),
        Refusal(request("Host: a:65536", host: false), .invalidHost),
    ])
    func `a request without exactly one valid host is refused`(_ refusal: Refusal) {
        refusal.check(parse(refusal.input).error)
    }

    @Test func `HTTP/1.0 requests may omit the host`() {
        let parsed = parse(request(line: "GET / HTTP/1.0", host: false))
        #expect(parsed.heads.count == 1)
        #expect(parsed.heads.first?.line[4] == nil)
    }

    @Test(arguments: [
        (request(), true),
        (request("Connection: close"), false),
        (request("Connection: CLOSE"), false),
        (request("Connection: upgrade,\tclose"), false),
        (request("Connection: upgrade", "Connection: close"), false),
        (request("Connection: keep-alive, close"), false),
        (request("Connection: closed"), true),
        (request("Connection: , ,"), true),
        (request(line: "GET / HTTP/1.0"), false),
        (request("Connection: Keep-Alive", line: "GET / HTTP/1.0"), true),
        (request("Connection: x, keep-alive", line: "GET / HTTP/1.0"), true),
        (request("Connection: keep-alive", "Connection: close", line: "GET / HTTP/1.0"), false),
        (request("Keep-Alive: timeout=5", line: "GET / HTTP/1.0"), false),
    ])
    func `version and Connection decide whether the connection is kept`(input: String, keepAlive: Bool) {
        #expect(parse(input).heads.first?.flags.first == keepAlive)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `every byte other than a digit is refused in a Content-Length`(byte: UInt8) {
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        for (before, after) in [("", "1"), ("1", "1"), ("1", "")] {
            let bytes =
                Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:".utf8) + Array(before.utf8) + [byte] + Array(after.utf8)
                + Array("\r\n\r\n".utf8)
            let parsed = Parsed(bytes, ends: [bytes.count])
            // Blanks at the ends belong to the line, not to the value.
            let isAtEnd = (before.isEmpty || after.isEmpty) && (byte == 0x20 || byte == 0x09)
            #expect((parsed.error == nil) == (isDigit || isAtEnd), "\(before)\(byte)\(after)")
        }
    }

    @Test(arguments: [
        (request(), false), (request("Connection: keep-alive"), true), (request("Connection: x, Keep-Alive"), true),
        (request("Connection: keep-alive-not"), false),
        (request("Connection: keep-alive", line: "GET / HTTP/1.0"), true),
    ])
    func `an explicit keep-alive is recorded`(input: String, asks: Bool) throws {
        var parser = RequestHeadParser()
        #expect(try parser.parse(Array(input.utf8).span.bytes)?.asksForKeepAlive == asks)
    }

    @Test(arguments: [
        (request("Expect: 100-continue"), true),
        (request("expect: 100-CONTINUE"), true),
        (request("Expect: 100-continue, 100-continue"), true),
        (request("Expect:"), false),
        (request("Expect: 100-continue", line: "GET / HTTP/1.0"), false),
        (request("Expect: miracle", line: "GET / HTTP/1.0"), false),
    ])
    func `100-continue is recognized, and ignored in HTTP/1.0`(input: String, expectsContinue: Bool) {
        #expect(parse(input).heads.first?.flags.last == expectsContinue)
    }

    @Test(arguments: ["200-ok", "100-continue, miracle", "100-continue=1"])
    func `any other expectation is 417`(value: String) {
        Refusal("", .unsupportedExpectation, 417).check(parse(request("Expect: \(value)")).error)
    }
}
