import HTTPTypes
import Testing

@testable import HTTPWire

struct BodyDecoderTests {
    @Test(arguments: [BodyFraming.none, .length(0)])
    func `a message without a body is complete at once`(framing: BodyFraming) {
        #expect(framing.isEmpty)
        #expect(BodyDecoder(framing: framing).isComplete)
        let decoded = decode("GET", framing: framing)
        #expect(decoded.isComplete)
        #expect(decoded.consumed == 0)
    }

    @Test func `a body with a length ends after exactly that many bytes`() {
        let decoded = decode("abcGET", framing: .length(3))
        #expect(decoded.content == Array("abc".utf8))
        #expect(decoded.consumed == 3)
        #expect(decoded.isComplete)
        #expect(!decode("ab", framing: .length(3)).isComplete)
        #expect(!BodyFraming.length(3).isEmpty)
    }

    @Test func `every call after the end reports the end`() throws {
        for (framing, body) in [(BodyFraming.none, ""), (.length(1), "a"), (.chunked, "1\r\na\r\n0\r\n\r\n")] {
            var decoder = BodyDecoder(framing: framing)
            let bytes = Array(body.utf8)
            var consumed = 0
            while !decoder.isComplete {
                let rest = bytes[consumed...]
                consumed += try decoder.decode(rest.span.bytes).consumed
            }
            let next = Array("GET".utf8)
            for _ in 0..<2 {
                let step = try decoder.decode(next.span.bytes)
                #expect(step == BodyStep(consumed: 0, outcome: .end))
            }
        }
    }

    @Test func `an empty span is never returned as content`() throws {
        for framing in [BodyFraming.length(3), .chunked] {
            var decoder = BodyDecoder(framing: framing)
            let nothing: [UInt8] = []
            let step = try decoder.decode(nothing.span.bytes)
            #expect(step == BodyStep(consumed: 0, outcome: .needMore))
            #expect(decoder.trailers.isEmpty)
        }
    }
}
