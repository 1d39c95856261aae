import HTTPTypes
import HTTPWire
import Testing

@Suite("Response chunks")
struct ResponseChunksTests {
    @Test(
        "sizes are hexadecimal",
        arguments: [(1, "1"), (9, "9"), (10, "a"), (255, "ff"), (4_096, "1000"), (.max, "7fffffffffffffff")])
    func sizes(size: Int, text: String) {
        var output: [UInt8] = []
        ResponseSerializer.writeChunkHeader(size: size, into: &output)
        #expect(String(decoding: output, as: UTF8.self) == text + "\r\n")
    }

    @Test("what is written in chunks is read back, empty pieces and trailers included")
    func roundTrip() throws {
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

    @Test("the last chunk without trailers")
    func lastChunk() throws {
        var output: [UInt8] = []
        try ResponseSerializer.writeLastChunk(into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "0\r\n\r\n")
    }

    @Test("trailers that belong in the header are refused, and nothing is written")
    func forbiddenTrailers() {
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
