import Testing

@testable import HTTPWire

@Suite("Byte sets and scans")
struct ByteSetTests {
    @Test("each set holds what its grammar says, and no byte else")
    func members() {
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        let visible = String(decoding: (UInt8(0x21)...0x7E).filter { !"\"#%<>?\\".utf8.contains($0) }, as: UTF8.self)
        for (set, members) in [
            (ByteSet.token, letters + "!#$%&'*+-.^_`|~"), (.hostName, letters + "-._~!$&'()*+,;="), (.plainTarget, visible),
        ] {
            for byte in UInt8.min...UInt8.max { #expect(set.contains(byte) == members.utf8.contains(byte), "\(byte)") }
        }
    }

    @Test("field content is tab, and space and up but DEL")
    func fieldContent() {
        for byte in UInt8.min...UInt8.max { #expect(byte.isFieldContent == (byte == 9 || byte >= 32 && byte != 127), "\(byte)") }
    }

    @Test("hexadecimal digits in both cases")
    func hexDigits() {
        for byte in UInt8.min...UInt8.max {
            let expected = byte < 0x80 ? Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init) : nil
            #expect(byte.hexDigitValue == expected, "\(byte)")
        }
    }
}
