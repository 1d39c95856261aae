import HTTPWire
import Testing

struct PercentDecodingTests {
    @Test(arguments: [
        ("", ""), ("abc", "abc"), ("a%20b", "a b"), ("%2F%2f", "//"), ("a+b", "a+b"), ("%C3%A9", "é"), ("é", "é"),
        ("%25%34%31", "%41"),
        ("%F0%9F%98%80", "😀"), ("%7f%0A", "\u{7F}\n"),
    ])
    func `well-formed text is decoded`(text: String, decoded: String) {
        #expect(PercentDecoding.decode(text) == decoded)
        #expect(PercentDecoding.decode(Substring(text)) == decoded)
    }

    @Test(arguments: [
        "%", "a%", "%4", "%4g", "%g4", "%%41", "%+1", "% 1", "%00", "a\u{0}b", "%C3", "%C3%28", "%FF", "%ED%A0%80", "%C0%80",
        "%F5%80%80%80",
    ])
    func `malformed escapes, NUL and invalid UTF-8 are refused`(text: String) {
        #expect(PercentDecoding.decode(text) == nil)
    }

    @Test func `a plus is a space only in forms`() {
        #expect(PercentDecoding.decode("a+b%2B", plusIsSpace: true) == "a b+")
    }

    @Test func `at most 128 combining marks in a row are accepted`() {
        let marks = String(repeating: "\u{301}\u{316}", count: 64)
        for text in ["a\(marks)", "\(marks)b\(marks)", "%61%CC%81" + marks.dropFirst()] {
            #expect(PercentDecoding.decode(text) != nil)
        }
        for text in ["\(marks)\u{301}", "a\(marks)%CC%81", String(repeating: "\u{301}\u{316}", count: 1 << 18)] {
            #expect(PercentDecoding.decode(text) == nil)
        }
    }

    @Test func `the encoded bytes need not be valid text`() {
        let valid: [UInt8] = [0xC3, 0xA9]
        let invalid: [UInt8] = [0xC3]
        let decoded = (PercentDecoding.decode(valid.span), PercentDecoding.decode(invalid.span))
        #expect(decoded == ("é", nil))
    }
}
