import HTTPTypes
import HTTPWire
import Testing

@Suite("Chunked bodies")
struct ChunkedDecoderTests {
    @Test(
        "well-formed bodies come out whole",
        arguments: [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("3\r\nabc\r\n0000A\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\n", "abc0123456789!"),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
            ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
            ("1;a\r\na\r\n0;b=c;d=\"e;\\\"\"\r\n\r\n", "a"),
            ("1;a=\"\";b=\"é\t \\\"\"\r\na\r\n0\r\n\r\n", "a"),
        ])
    func content(input: String, content: String) {
        let decoded = decode(input)
        #expect(decoded.error == nil)
        #expect(decoded.isComplete)
        #expect(String(decoding: decoded.content, as: UTF8.self) == content)
        #expect(decoded.consumed == input.utf8.count)
    }

    @Test("what follows the body is left alone")
    func leftOver() {
        for body in ["3\r\nabc\r\n0\r\n\r\n", "0\r\nX: 1\r\n\r\n"] {
            #expect(decode(body + "GET / HTTP/1.1\r\n").consumed == body.utf8.count)
            #expect(decode(body + "\r\n\r\n").consumed == body.utf8.count)
        }
    }

    @Test(
        "malformed chunks are refused",
        arguments: [
            Refusal("\r\n", .invalidChunkSize),
            Refusal(" 3\r\nabc\r\n", .invalidChunkSize),
            Refusal("3 \r\nabc\r\n", .invalidChunkSize),
            Refusal("3\t;a\r\nabc\r\n", .invalidChunkSize),
            Refusal("+3\r\nabc\r\n", .invalidChunkSize),
            Refusal("-3\r\nabc\r\n", .invalidChunkSize),
            Refusal("0x3\r\nabc\r\n", .invalidChunkSize),
            Refusal("0_3\r\nabc\r\n", .invalidChunkSize),
            Refusal("g\r\n", .invalidChunkSize),
            Refusal(";a\r\n", .invalidChunkSize),
            Refusal("3\nabc\r\n", .bareLineFeed),
            Refusal("\n", .bareLineFeed),
            Refusal("3\rabc\r\n", .bareCarriageReturn),
            Refusal("8000000000000000\r\n", .chunkSizeTooLarge),
            Refusal("FFFFFFFFFFFFFFFF\r\n", .chunkSizeTooLarge),
            Refusal("10000000000000000\r\n", .chunkSizeTooLarge),
            Refusal("00000000000000001\r\n", .chunkSizeTooLarge),
            Refusal("3\r\nabcd\r\n", .missingChunkEnd),
            Refusal("3\r\nab\r\n0\r\n\r\n", .missingChunkEnd),
            Refusal("3\r\nabc\n0\r\n\r\n", .missingChunkEnd),
            Refusal("3\r\nabc\r0\r\n\r\n", .missingChunkEnd),
            Refusal("3\r\nabc0\r\n\r\n", .missingChunkEnd),
            Refusal("0\r\n\n", .bareLineFeed),
            Refusal("0\r\n\rX", .bareCarriageReturn),
        ])
    func refused(_ refusal: Refusal) {
        refusal.check(decode(refusal.input).error)
    }

    @Test("a byte that is no hexadecimal digit is refused wherever it stands in a size", arguments: UInt8.min...UInt8.max)
    func everyByteOfSize(byte: UInt8) {
        let isDigit = "0123456789abcdefABCDEF".utf8.contains(byte)
        for (before, after) in [("", "1"), ("1", "1"), ("1", "")] {
            let bytes = Array(before.utf8) + [byte] + Array("\(after)\r\n".utf8)
            let isExtension = byte == UInt8(ascii: ";") && !before.isEmpty && !after.isEmpty
            #expect((Decoded(bytes, ends: [bytes.count]).error == nil) == (isDigit || isExtension), "\(before)\(byte)\(after)")
        }
    }

    @Test("the greatest size is taken, and its content awaited")
    func greatestSize() {
        let decoded = decode("7FFFFFFFFFFFFFFF\r\nabc")
        #expect(decoded.error == nil)
        #expect(decoded.content == Array("abc".utf8))
        #expect(!decoded.isComplete)
    }

    @Test(
        "a body that ends early is not complete",
        arguments: ["", "3", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nX: 1\r\n"])
    func truncated(input: String) {
        let decoded = decode(input)
        #expect(decoded.error == nil)
        #expect(!decoded.isComplete)
    }

    @Test("trailers are there in the end, in order")
    func trailers() {
        let decoded = decode("1\r\na\r\n0\r\nX-Sum: 1 \r\nx-sum:2\r\nY:\r\n\r\nGET")
        #expect(decoded.error == nil)
        #expect(decoded.trailers.map { "\($0.name.rawName)=\($0.value)" } == ["X-Sum=1", "x-sum=2", "Y="])
    }

    @Test(
        "trailers that frame or route the message, or are about the connection, are refused",
        arguments: [
            "Content-Length", "transfer-encoding", "HOST", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE",
            "Trailer",
        ])
    func refusedTrailers(name: String) {
        Refusal("", .forbiddenTrailer).check(decode("0\r\nX: 1\r\n\(name): 1\r\n\r\n").error)
    }

    @Test(
        "trailers that are valid in the header only are dropped, and the others kept",
        arguments: [
            "Content-Type", "Content-Encoding", "Content-Range", "Authorization", "PROXY-AUTHORIZATION", "Cookie", "Set-Cookie",
            "Expect", "If-Match", "Range", "cache-control", "Max-Forwards",
        ])
    func droppedTrailers(name: String) {
        let decoded = decode("1\r\na\r\n0\r\nX: 1\r\n\(name): 1\r\nY: 2\r\n\r\n")
        #expect(decoded.error == nil)
        #expect(decoded.isComplete)
        #expect(decoded.trailers.map { "\($0.name.rawName)=\($0.value)" } == ["X=1", "Y=2"])
    }

    @Test("limits may be as great as numbers are")
    func hugeLimits() {
        let limits = HTTPWireLimits(
            fieldLine: .max, fieldCount: .max, chunkExtensionBytes: .max, bodyExtensionBytes: .max, chunkSizeDigits: .max,
            trailerBytes: .max)
        #expect(decode("00000000000000000001;a\r\na\r\n0\r\nX: 1\r\n\r\n", limits: limits).isComplete)
        let endless = Array(("0\r\nX: " + String(repeating: "a", count: 70_000)).utf8)
        #expect(Decoded(endless, ends: [1_000, 65_000, 70_000], limits: limits).error == .fieldSectionTooLarge)
    }

    @Test("a trailer section at the limit is taken, one byte more is 431")
    func trailerLimit() {
        let section = "X: 0123456789\r\nY: 1\r\n\r\n"
        let count = section.utf8.count
        #expect(decode("0\r\n" + section, limits: HTTPWireLimits(trailerBytes: count)).isComplete)
        for limit in 0..<count {
            #expect(decode("0\r\n" + section, limits: HTTPWireLimits(trailerBytes: limit)).error == .fieldSectionTooLarge)
        }
        #expect(decode("0\r\nX: 1\r\nY: 1\r\n", limits: HTTPWireLimits(fieldCount: 1)).error == .tooManyFields)
    }

    @Test("after an error each call throws the same error", arguments: ["0\r\nX: \0abcdefgh", "0\r\nlong: name\r\n y", "x"])
    func afterAnError(input: String) throws {
        var decoder = ChunkedDecoder()
        let bytes = Array(input.utf8)
        func error(from start: Int) -> HTTPParseError? {
            let slice = bytes[start...]
            do throws(HTTPParseError) {
                _ = try decoder.decode(slice.span.bytes)
                return nil
            } catch {
                return error
            }
        }
        let first = try #require(error(from: 0))
        // Whatever follows, as when a caller skips what was not consumed.
        for start in bytes.indices { #expect(error(from: start) == first) }
        #expect(!decoder.isComplete)
    }
}
