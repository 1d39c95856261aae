/// A set of ASCII bytes as a bit mask of two words, so that a membership test is a shift and reads no memory.
struct ByteSet {
    /// Bit n stands for byte n.
    let low: UInt64
    /// Bit n stands for byte 64 + n.
    let high: UInt64

    /// `tchar` (RFC 9110 section 5.6.2): letters, digits and ``!#$%&'*+-.^_`|~``.
    static var token: ByteSet { ByteSet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE) }

    /// The bytes of a request target that stand for themselves: visible ASCII without `"`, `#`, `<` and `>`, which are not
    /// allowed in a target, and without `%`, `?` and `\`, which need a closer look. RFC 3986 does not allow `[ ] ^ { | }` and
    /// backtick in a path or a query either. But browsers send them unencoded (WHATWG URL section 1.3), and all recipients read
    /// them alike.
    static var plainTarget: ByteSet { ByteSet(low: 0x2FFF_FFD2_0000_0000, high: 0x7FFF_FFFF_EFFF_FFFF) }

    /// `unreserved` and `sub-delims` (RFC 3986 section 2): the bytes of a host name, apart from percent-encoded ones.
    static var hostName: ByteSet { ByteSet(low: 0x2BFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE) }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let word = byte & 0x40 == 0 ? low : high
        return byte < 0x80 && word &>> UInt64(byte & 0x3F) & 1 == 1
    }
}

extension UInt8 {
    static var tab: UInt8 { 0x09 }
    static var lineFeed: UInt8 { 0x0A }
    static var carriageReturn: UInt8 { 0x0D }
    static var space: UInt8 { 0x20 }

    /// Space or tab: the whitespace of RFC 9110 section 5.6.3.
    var isBlank: Bool { self == .space || self == .tab }

    /// The lowercase letter if the byte is an ASCII capital letter, otherwise the byte itself.
    var lowercased: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }

    var isDigit: Bool { self &- UInt8(ascii: "0") <= 9 }

    /// Whether a field value may hold this byte (RFC 9110 section 5.5): tab, or any byte from space up except DEL.
    var isFieldContent: Bool { self >= 0x20 && self != 0x7F || self == .tab }

    /// The value of a hexadecimal digit in either case; nil for any other byte.
    var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }
}
