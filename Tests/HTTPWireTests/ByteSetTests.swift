import Testing

@testable import HTTPWire

struct ByteSetTests {
    @Test func `each byte set contains exactly the bytes of its grammar`() {
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        let visible = String(decoding: (UInt8(0x21)...0x7E).filter { !"\"#%<>?\\".utf8.contains($0) }, as: UTF8.self)
        for (set, members) in [
            (ByteSet.token, letters + "!#$%&'*+-.^_`|~"), (.hostName, letters + "-._~!$&'()*+,;="), (.plainTarget, visible),
        ] {
            for byte in UInt8.min...UInt8.max { #expect(set.contains(byte) == members.utf8.contains(byte), "\(byte)") }
        }
    }

    @Test func `field content is the tab and all bytes from space up, except DEL`() {
        for byte in UInt8.min...UInt8.max { #expect(byte.isFieldContent == (byte == 9 || byte >= 32 && byte != 127), "\(byte)") }
    }

    @Test func `hexadecimal digits are recognized in both cases`() {
        for byte in UInt8.min...UInt8.max {
            let expected = byte < 0x80 ? Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init) : nil
            #expect(byte.hexDigitValue == expected, "\(byte)")
        }
    }
}
