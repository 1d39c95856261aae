import HTTPTypes
import HTTPWire
import Testing

struct ChunkedDecoderTests {
    @Test(arguments: [
        ("0\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("3\r\nabc\r\n0000A\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\n", "abc0123456789!"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
        ("1;a\r\na\r\n0;b=c;d=\"e;\\\"\"\r\n\r\n", "a"),
        ("1;a=\"\";b=\"é\t \\\"\"\r\na\r\n0\r\n\r\n", "a"),
    ])
    func `well-formed bodies are decoded completely`(input: String, content: String) {
        let decoded = decode(input)
        #expect(decoded.error == nil)
        #expect(decoded.isComplete)
        #expect(String(decoding: decoded.content, as: UTF8.self) == content)
        #expect(decoded.consumed == input.utf8.count)
    }

    @Test func `bytes after the body are not consumed`() {
        for body in ["3\r\nabc\r\n0\r\n\r\n", "0\r\nX: 1\r\n\r\n"] {
            #expect(decode(body + "GET / HTTP/1.1\r\n").consumed == body.utf8.count)
            #expect(decode(body + "\r\n\r\n").consumed == body.utf8.count)
        }
    }

    @Test(arguments: [
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
    func `malformed chunks are refused`(_ refusal: Refusal) {
        refusal.check(decode(refusal.input).error)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a byte that is not a hexadecimal digit is refused at every place of a chunk size`(byte: UInt8) {
        let isDigit = "0123456789abcdefABCDEF".utf8.contains(byte)
        for (before, after) in [("", "1"), ("1", "1"), ("1", "")] {
            let bytes = Array(before.utf8) + [byte] + Array("\(after)\r\n".utf8)
            let isExtension = byte == UInt8(ascii: ";") && !before.isEmpty && !after.isEmpty
            #expect((Decoded(bytes, ends: [bytes.count]).error == nil) == (isDigit || isExtension), "\(before)\(byte)\(after)")
        }
    }

    @Test func `the largest chunk size is accepted, and the decoder waits for its content`() {
        let decoded = decode("7FFFFFFFFFFFFFFF\r\nabc")
        #expect(decoded.error == nil)
        #expect(decoded.content == Array("abc".utf8))
        #expect(!decoded.isComplete)
    }

    @Test(arguments: ["", "3", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nX: 1\r\n"])
    func `a body that ends early is not complete`(input: String) {
        let decoded = decode(input)
        #expect(decoded.error == nil)
        #expect(!decoded.isComplete)
    }

    @Test func `trailers are returned at the end, in order`() {
        let decoded = decode("1\r\na\r\n0\r\nX-Sum: 1 \r\nx-sum:2\r\nY:\r\n\r\nGET")
        #expect(decoded.error == nil)
        #expect(decoded.trailers.map { "\($0.name.rawName)=\($0.value)" } == ["X-Sum=1", "x-sum=2", "Y="])
    }

    @Test(arguments: [
        "Content-Length", "transfer-encoding", "HOST", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE",
        "Trailer",
    ])
    func `trailers for framing, routing or the connection are refused`(name: String) {
        Refusal("", .forbiddenTrailer).check(decode("0\r\nX: 1\r\n\(name): 1\r\n\r\n").error)
    }

    @Test(arguments: [
        "Content-Type", "Content-Encoding", "Content-Range", "Authorization", "PROXY-AUTHORIZATION", "Cookie", "Set-Cookie",
        "Expect", "If-Match", "Range", "cache-control", "Max-Forwards",
    ])
    func `trailers that are valid only in the header are dropped, the others are kept`(name: String) {
        let decoded = decode("1\r\na\r\n0\r\nX: 1\r\n\(name): 1\r\nY: 2\r\n\r\n")
        #expect(decoded.error == nil)
        #expect(decoded.isComplete)
        #expect(decoded.trailers.map { "\($0.name.rawName)=\($0.value)" } == ["X=1", "Y=2"])
    }

    @Test func `limits may be as large as Int allows`() {
        let limits = HTTPWireLimits(
            fieldLine: .max, fieldCount: .max, chunkExtensionBytes: .max, bodyExtensionBytes: .max, chunkSizeDigits: .max,
            trailerBytes: .max)
        #expect(decode("00000000000000000001;a\r\na\r\n0\r\nX: 1\r\n\r\n", limits: limits).isComplete)
        let endless = Array(("0\r\nX: " + String(repeating: "a", count: 70_000)).utf8)
        #expect(Decoded(endless, ends: [1_000, 65_000, 70_000], limits: limits).error == .fieldSectionTooLarge)
    }

    @Test func `a trailer section at the limit is accepted, one byte more is 431`() {
        let section = "X: 0123456789\r\nY: 1\r\n\r\n"
        let count = section.utf8.count
        #expect(decode("0\r\n" + section, limits: HTTPWireLimits(trailerBytes: count)).isComplete)
        for limit in 0..<count {
            #expect(decode("0\r\n" + section, limits: HTTPWireLimits(trailerBytes: limit)).error == .fieldSectionTooLarge)
        }
        #expect(decode("0\r\nX: 1\r\nY: 1\r\n", limits: HTTPWireLimits(fieldCount: 1)).error == .tooManyFields)
    }

    @Test(arguments: ["0\r\nX: \0abcdefgh", "0\r\nlong: name\r\n y", "x"])
    func `every call after an error throws the same error`(input: String) throws {
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
        // For any further bytes, as when a caller skips the unconsumed ones.
        for start in bytes.indices { #expect(error(from: start) == first) }
        #expect(!decoder.isComplete)
    }
}
