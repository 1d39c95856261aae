import HTTPTypes
import HTTPWire
import Testing

struct ResponseChunksTests {
    @Test(arguments: [(1, "1"), (9, "9"), (10, "a"), (255, "ff"), (4_096, "1000"), (.max, "7fffffffffffffff")])
    func `chunk sizes are written in hexadecimal`(size: Int, text: String) {
        var output: [UInt8] = []
        ResponseSerializer.writeChunkHeader(size: size, into: &output)
        #expect(String(decoding: output, as: UTF8.self) == text + "\r\n")
    }

    @Test func `written chunks are read back, including empty pieces and trailers`() throws {
        var output: [UInt8] = []
        let pieces = ["a", "", String(repeating: "b", count: 300), "\r\n0\r\n\r\n"]
        for piece in pieces {
            let bytes = Array(piece.utf8)
            ResponseSerializer.writeChunk(bytes.span, into: &output)
        }
        try ResponseSerializer.writeLastChunk(trailers: [.age: "1"], into: &output)
        let decoded = decode(String(decoding: output, as: UTF8.self))
        #expect(decoded.error == nil)
        #expect(decoded.isComplete)
        #expect(decoded.content == Array(pieces.joined().utf8))
        #expect(decoded.trailers == [.age: "1"])
        #expect(decoded.consumed == output.count)
    }

    @Test func `the last chunk without trailers is a zero and an empty line`() throws {
        var output: [UInt8] = []
        try ResponseSerializer.writeLastChunk(into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "0\r\n\r\n")
    }

    @Test func `trailers that belong in the header are refused, and nothing is written`() {
        var output: [UInt8] = []
        #expect(throws: HTTPSerializeError.forbiddenTrailer(name: "Content-Length")) {
            try ResponseSerializer.writeLastChunk(trailers: [.age: "1", .contentLength: "1"], into: &output)
        }
        #expect(throws: HTTPSerializeError.forbiddenTrailer(name: "Set-Cookie")) {
            try ResponseSerializer.writeLastChunk(trailers: [.setCookie: "a=b"], into: &output)
        }
        #expect(output.isEmpty)
    }
}
