import Testing

@testable import HTTPWire

struct AuthorityTests {
    @Test(arguments: [
        "a", "example.com", "example.com.", "EXAMPLE.com:80", "a:0", "a:65535", "a:00080", "a:", "127.0.0.1",
        "127.0.0.1:8080", "a_b-c~d",
        "%41", "a%2Fb", "a!$&'()*+,;=b", "[::]", "[::1]:80", "[1::]", "[1:2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7::]",
        "[2001:db8::ff00:42:8329]", "[::ffff:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]", "[FE80::a]:1", "[v1.a]",
        "[V1F.a:b~!$&'()*+,;=]:80",
    ])
    func `a well-formed authority is accepted`(text: String) {
        #expect(isValid(text))
    }

    @Test(arguments: [
        "", ":", ":80", "a:b", "a:80:80", "a:65536", "a:999999", "a:-1", "a:+1", "a:8 0", "a b", "a/b", "a?b", "a#b",
        "user@a", "user:p@a",
        "a\\b", "a%", "a%4", "a%4g", "é", "a\"b", "<a>", "a|b", "[", "[]", "]", "[::1", "[::1]a", "[::1]80", "::1", "[:]",
        "[:::]", "[1:2]",
        "[1::2::3]", "[12345::]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1:2:3:4:5:6:7:8]", "[1:]", "[:1]",
        "[1:2:3:4:5:6:7:]",
        "[::g]", "[fe80::1%25eth0]", "[v.a]", "[v1.]", "[v1]", "[vg.a]", "[v1.a/]", "[v1.%41]", "[v1.[]", "[1.a]",
        "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]", "[::01.2.3.4]", "[1.2.3.4]",
        "[::1.2.3.4:1]",
        "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2..4]", "[::1.2.3.]",
    ])
    func `a malformed authority is refused`(text: String) {
        #expect(!isValid(text))
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a host name accepts exactly the bytes of its grammar`(byte: UInt8) {
        let isName = ByteSet.hostName.contains(byte)
        for text in [[byte], [byte, 0x61], [0x61, byte, 0x61]] {
            // A colon is followed by a port, which has no letters.
            #expect(Authority.isValid(text.span) == isName, "\(text)")
        }
        #expect(Authority.isValid([0x61, byte].span) == (isName || byte == UInt8(ascii: ":")))
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        #expect(Authority.isValid(([0x61, 0x3A, byte] as [UInt8]).span) == isDigit)
        let isHex = isDigit || "abcdefABCDEF".utf8.contains(byte)
        #expect(Authority.isValid((Array("%4".utf8) + [byte]).span) == isHex)
        #expect(Authority.isValid((Array("[::".utf8) + [byte] + Array("1]".utf8)).span) == isHex)
        #expect(Authority.isValid((Array("[v1.".utf8) + [byte] + Array("]".utf8)).span) == (isName || byte == UInt8(ascii: ":")))
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a byte that no host may contain makes the Host field invalid`(byte: UInt8) {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a".utf8) + [byte] + Array("b\r\n\r\n".utf8)
        let error = Parsed(bytes, ends: [bytes.count]).error
        #expect((error == nil) == ByteSet.hostName.contains(byte))
        // A byte that no field may contain has its own error.
        let isField = byte >= 0x20 && byte != 0x7F || byte == 0x09
        #expect(error == nil || (error == .invalidHost) == isField)
    }

    @Test func `a required port must have digits`() {
        #expect(isValid("a:443", portRequired: true))
        #expect(!isValid("a", portRequired: true))
        #expect(!isValid("a:", portRequired: true))
    }

    private func isValid(_ text: String, portRequired: Bool = false) -> Bool {
        Authority.isValid(text.utf8.span, portRequired: portRequired)
    }
}
