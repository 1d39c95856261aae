import HTTPTypes
import Testing

@testable import HTTPWire

struct ResponseBodyTests {
    @Test(arguments: [ResponseBodyFraming.none, .length(0)])
    func `a response without content is complete at once`(framing: ResponseBodyFraming) {
        #expect(BodyDecoder(framing: framing).isComplete)
        let decoded = decodeResponse("HTTP/1.1", framing: framing)
        #expect(decoded.isComplete)
        #expect(decoded.consumed == 0)
    }

    @Test func `a body with a length ends after exactly that many bytes`() {
        let decoded = decodeResponse("abcHTTP/1.1", framing: .length(3))
        #expect(decoded.content == Array("abc".utf8))
        #expect(decoded.consumed == 3)
        #expect(decoded.isComplete)
        #expect(!decodeResponse("ab", framing: .length(3)).isComplete)
    }

    @Test func `a body until close takes all bytes and never completes by itself`() throws {
        let decoded = decodeResponse("0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", framing: .untilClose)
        #expect(decoded.content == Array("0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".utf8))
        #expect(!decoded.isComplete)
        var decoder = BodyDecoder(framing: ResponseBodyFraming.untilClose)
        #expect(try decoder.decode([UInt8]().span.bytes) == BodyStep(consumed: 0, outcome: .needMore))
        #expect(try decoder.decode([UInt8](1...3).span.bytes) == BodyStep(consumed: 3, outcome: .data(0..<3)))
        #expect(!decoder.isComplete)
    }

    @Test func `chunks are decoded completely, and bytes after them are not consumed`() {
        let body = "3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
        let decoded = decodeResponse(body + "HTTP/1.1")
        #expect(decoded.content == Array("abc0123456789".utf8))
        #expect(decoded.trailers == [HTTPField.Name("X-Sum")!: "1"])
        #expect(decoded.consumed == body.utf8.count)
        #expect(decoded.isComplete)
    }

    @Test func `errors name the response, and are final`() throws {
        for body in ["x", "0\r\nContent-Length: 1\r\n\r\n", "3\r\nabcd"] {
            var decoder = BodyDecoder(framing: ResponseBodyFraming.chunked)
            let bytes = Array(body.utf8)
            func error(from start: Int) -> HTTPParseError? {
                var start = start
                do throws(HTTPParseError) {
                    while start < bytes.count {
                        let rest = bytes[start...]
                        start += try decoder.decode(rest.span.bytes).consumed
                    }
                    return nil
                } catch {
                    return error
                }
            }
            let first = try #require(error(from: 0))
            #expect(first.message == .response)
            for start in bytes.indices { #expect(error(from: start) == first) }
        }
    }

    @Test(
        arguments: [
            ("00000\r\n", .chunkSizeTooLarge), ("1;abcdefgh\r\n", .chunkExtensionsTooLong),
            ("1;abc\r\na\r\n1;abc\r\na\r\n1;abc\r\n", .chunkExtensionsTooLong),
            ("0\r\nX: 0123456789012345\r\n\r\n", .fieldSectionTooLarge), ("0\r\nX: 1\r\nY: 2\r\nZ: 3\r\n\r\n", .tooManyFields),
            ("0\r\nX: 01234567\r\n\r\n", .fieldLineTooLong), ("0\r\nX: 0\r\n 1\r\n 2\r\n", .fieldLineTooLong),
        ] as [(String, HTTPParseError.Code)])
    func `limits on chunks and trailers are the same as for requests`(body: String, code: HTTPParseError.Code) {
        let limits = HTTPWireLimits(
            fieldLine: code == .fieldSectionTooLarge ? 100 : 10, fieldCount: 2, chunkExtensionBytes: 6, bodyExtensionBytes: 10,
            chunkSizeDigits: 4, trailerBytes: 20)
        #expect(decodeResponse(body, limits: limits).error == code)
    }

    @Test(arguments: ["Content-Length: 0", "transfer-encoding: chunked"])
    func `a trailer that frames the response is an error`(field: String) {
        #expect(decodeResponse("0\r\nX: 1\r\n\(field)\r\n\r\n").error == .forbiddenTrailer)
        #expect(decodeResponse("0\r\n\(field)\r\n \r\n\r\n").error == .forbiddenTrailer)
    }

    @Test func `trailers that are valid only in the header are dropped`() {
        let dropped = [
            "Connection", "Keep-Alive", "Trailer", "Upgrade", "TE", "Host", "Content-Type", "Content-Encoding", "Content-Range",
            "Set-Cookie", "WWW-Authenticate", "Proxy-Authenticate", "Cache-Control", "Age", "Date", "Expires", "Location",
            "Retry-After", "Vary", "Warning",
        ]
        let fields = dropped.map { "\($0): close\r\n" }.joined()
        let decoded = decodeResponse("0\r\nETag: \"a\"\r\n\(fields)Server-Timing: b\r\n\r\n")
        #expect(decoded.error == nil)
        #expect(decoded.trailers == [.eTag: "\"a\"", HTTPField.Name("Server-Timing")!: "b"])
    }

    @Test func `a trailer may be folded like a field of the head`() {
        #expect(
            decodeResponse("0\r\nX: a \r\n\t b\r\nY: c\r\n\r\n").trailers == [
                HTTPField.Name("X")!: "a b", HTTPField.Name("Y")!: "c",
            ])
        #expect(decodeResponse("0\r\n X: a\r\n\r\n").error == .foldedField)
    }
}
