import HTTPTypes
import HTTPWire
import Testing

struct ResponseFramingTests {
    @Test(arguments: [
        ResponseRefusal("Content-Length: +3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: -3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 0x3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: a\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3 3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3;3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3_0\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3.0\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3e1\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: \"3\"\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: ٣\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length:\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: \t \r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 9223372036854775808\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 18446744073709551617\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 99999999999999999999999999\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3,\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: ,3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: ,\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3,,3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3, x\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3, +3\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3\r\nContent-Length:\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3\r\nContent-Length: x\r\n", .invalidContentLength),
        ResponseRefusal("Content-Length: 3, 4\r\n", .conflictingContentLength),
        ResponseRefusal("Content-Length: 3, 3, 4\r\n", .conflictingContentLength),
        ResponseRefusal("Content-Length: 3\r\ncontent-length: 4\r\n", .conflictingContentLength),
        ResponseRefusal("Content-Length: 3\r\nX: 1\r\nContent-Length: 3, 4\r\n", .conflictingContentLength),
        ResponseRefusal("Content-Length: 0\r\nContent-Length: 1\r\n", .conflictingContentLength),
        ResponseRefusal("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", .conflictingFraming),
        ResponseRefusal("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", .conflictingFraming),
        ResponseRefusal("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding: chunked, chunked\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding: chunked, gzip\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding: chunked,\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding: ,chunked\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding:\r\n", .invalidTransferEncoding),
        ResponseRefusal("Transfer-Encoding: gzip, chunked\r\n", .unsupportedTransferCoding),
        ResponseRefusal("Transfer-Encoding: gzip\r\n", .unsupportedTransferCoding),
        ResponseRefusal("Transfer-Encoding: identity\r\n", .unsupportedTransferCoding),
        ResponseRefusal("Transfer-Encoding: xchunked\r\n", .unsupportedTransferCoding),
        ResponseRefusal("Transfer-Encoding: chunked;q=1\r\n", .unsupportedTransferCoding),
        ResponseRefusal("Transfer-Encoding: \"chunked\"\r\n", .unsupportedTransferCoding),
    ])
    func `framing that two recipients could read differently is refused, whatever the status`(_ refusal: ResponseRefusal) {
        for status in [100, 101, 200, 204, 304, 500] {
            refusal.check(parseResponses("HTTP/1.1 \(status) -\r\n" + refusal.input + "\r\n").error)
        }
    }

    @Test func `HTTP/1.0 has no Transfer-Encoding`() {
        for status in [100, 200, 304] {
            let text = response("Transfer-Encoding: chunked", line: "HTTP/1.0 \(status) -")
            ResponseRefusal("", .transferEncodingInHTTP10).check(parseResponses(text).error)
        }
    }

    @Test(
        arguments: [
            (response(), .untilClose, nil),
            (response("Content-Length: 0"), .length(0), 0),
            (response("content-LENGTH:\t007 "), .length(7), 7),
            (response("Content-Length: 5, 5"), .length(5), 5),
            (response("Content-Length: 5,5 ,\t5"), .length(5), 5),
            (response("Content-Length: 5", "X: 1", "Content-Length: 05"), .length(5), 5),
            (response("Content-Length: 5, 5", "Content-Length: 5"), .length(5), 5),
            (response("Content-Length: 999999999999999999"), .length(999_999_999_999_999_999), 999_999_999_999_999_999),
            (response("Content-Length: 9223372036854775807"), .length(.max), .max),
            (response("Transfer-Encoding: chunked"), .chunked, nil),
            (response("transfer-encoding:CHUNKED "), .chunked, nil),
            (response("Content-Length: 5", line: "HTTP/1.0 200 OK"), .length(5), 5),
            (response(line: "HTTP/1.0 200 OK"), .untilClose, nil),
            (response("Content-Length-X: 5", "Transfer_Encoding: chunked"), .untilClose, nil),
            (response("Content-Length: 5", line: "HTTP/1.1 205 Reset Content"), .length(5), 5),
        ] as [(String, ResponseBodyFraming, Int?)])
    func `unambiguous framing is accepted`(input: String, framing: ResponseBodyFraming, length: Int?) throws {
        let head = try #require(parseResponses(input).heads.first)
        #expect(head.framing == framing)
        #expect(head.contentLength == length)
        #expect(head.framingToHead == .none)
    }

    @Test(arguments: [100, 101, 103, 199, 204, 304])
    func `interim responses, 204 and 304 have no content, whatever they announce`(status: Int) throws {
        for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let head = try #require(parseResponses("HTTP/1.1 \(status) -\r\n\(fields)\r\n").heads.first)
            #expect(head.framing == .none)
            #expect(head.framingToHead == .none)
            #expect(head.contentLength == (fields.hasPrefix("Content") ? 5 : nil))
        }
    }

    @Test(arguments: [
        // Each with the result for other requests and for HEAD.
        (response(), false, true),
        (response("Content-Length: 5"), true, true),
        (response("Transfer-Encoding: chunked"), true, true),
        (response("Content-Length: 5", "Connection: close"), false, false),
        (response("Content-Length: 5", "Connection: CLOSE"), false, false),
        (response("Content-Length: 5", "Connection: upgrade,\tclose"), false, false),
        (response("Content-Length: 5", "Connection: keep-alive", "Connection: close"), false, false),
        (response("Content-Length: 5", "Connection: closed"), true, true),
        (response("Content-Length: 5", "Connection: , ,"), true, true),
        (response("Content-Length: 5", line: "HTTP/1.0 200 OK"), false, false),
        (response("Content-Length: 5", "Connection: Keep-Alive", line: "HTTP/1.0 200 OK"), true, true),
        (response("Content-Length: 5", "Connection: keep-alive, close", line: "HTTP/1.0 200 OK"), false, false),
        (response("Content-Length: 5", "Keep-Alive: timeout=5", line: "HTTP/1.0 200 OK"), false, false),
        (response("Connection: keep-alive", line: "HTTP/1.0 200 OK"), false, true),
        (response(line: "HTTP/1.1 204 -"), true, true),
        (response("Content-Length: 0", line: "HTTP/1.1 204 -"), true, true),
        (response("Content-Length: 5", line: "HTTP/1.1 204 -"), false, false),
        (response("Transfer-Encoding: chunked", line: "HTTP/1.1 204 -"), false, false),
        (response(line: "HTTP/1.1 304 -"), true, true),
        (response("Content-Length: 5", line: "HTTP/1.1 304 -"), true, true),
        (response("Transfer-Encoding: chunked", line: "HTTP/1.1 304 -"), false, false),
        (response("Connection: close", line: "HTTP/1.1 304 -"), false, false),
        (response(line: "HTTP/1.1 100 -"), true, true),
        (response("Content-Length: 5", line: "HTTP/1.1 103 -"), false, false),
        (response("Transfer-Encoding: chunked", line: "HTTP/1.1 100 -"), false, false),
    ])
    func `version, Connection and framing decide whether the connection is kept`(input: String, keepsAlive: Bool, toHead: Bool) {
        #expect(parseResponses(input).heads.first?.keepsAlive == [keepsAlive, toHead])
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a Content-Length may contain only digits, commas and blanks`(byte: UInt8) {
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        for (before, after) in [("", "1"), ("1", "1"), ("1", "")] {
            let bytes =
                Array("HTTP/1.1 200 OK\r\nContent-Length:".utf8) + Array(before.utf8) + [byte] + Array(after.utf8)
                + Array("\r\n\r\n".utf8)
            let parsed = ParsedResponses(bytes, ends: [bytes.count])
            // Blanks at the ends belong to the line, not to the value; `1,1` is a list of equal lengths.
            let isAtEnd = (before.isEmpty || after.isEmpty) && (byte == 0x20 || byte == 0x09)
            let isList = !before.isEmpty && !after.isEmpty && byte == UInt8(ascii: ",")
            #expect((parsed.error == nil) == (isDigit || isAtEnd || isList), "\(before)\(byte)\(after)")
        }
    }
}
