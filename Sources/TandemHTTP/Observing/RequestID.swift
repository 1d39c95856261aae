public import HTTPTypes
internal import HTTPWire

/// The id of one request, for logs: the value from a trusted proxy, or 16 hexadecimal digits.
public struct RequestID: Sendable, Hashable, CustomStringConvertible {
    /// The longest id that the server accepts from a client, in bytes. UUIDs have 36; some proxies send twice that.
    public static let longest = 128

    private var given: String?
    /// The number of an id that the server made; 0 for an id from a client.
    private(set) var number: UInt64

    /// Creates an id that is a number.
    package init(number: UInt64) {
        self.number = number
        given = nil
    }

    /// Creates an id from outside the server. Returns nil unless `text` is 1 to 128 visible ASCII characters, so that a log or a
    /// field can contain it unchanged.
    public init?(_ text: String) {
        guard 1...Self.longest ~= text.utf8.count, text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        given = text
        number = 0
    }

    /// Assigns `other`. This needs no reference counting when the server made both ids.
    mutating func become(_ other: RequestID) {
        number = other.number
        if case .none = given, case .none = other.given { return }
        given = other.given
    }

    /// The id as text.
    public var description: String { given ?? hexadecimal(number) }

    /// The 16 digits of an id that the server made; nil for an id from a client.
    public var digits: InlineArray<16, UInt8>? { given == nil ? hexadecimalDigits(number) : nil }
}

extension HTTPField.Name {
    /// `X-Request-Id`, which is not standardized but widely used.
    public static let xRequestID = HTTPField.Name("X-Request-Id")!
}

/// A generator of numbers that do not repeat. It mixes the value of a counter, so that the numbers of two hubs or processes are
/// not close together. Used on one hub.
struct RequestNumbers {
    private var state = UInt64.random(in: 0 ... .max)

    /// The number that `next` will return.
    var upcoming: UInt64 {
        var copy = self
        return copy.next()
    }

    /// Returns the next number. SplitMix64 is one-to-one, so a generator repeats no number within 2^64 calls.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Returns the number as 16 hexadecimal digits in lower case.
func hexadecimal(_ number: UInt64) -> String {
    let digits = hexadecimalDigits(number)
    return digits.span.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
}

/// Returns the number as 16 hexadecimal digits in lower case, as bytes.
private func hexadecimalDigits(_ number: UInt64) -> InlineArray<16, UInt8> {
    let halves: InlineArray<2, UInt64> = [digits(of: UInt32(number >> 32)), digits(of: UInt32(truncatingIfNeeded: number))]
    return unsafeBitCast(halves, to: InlineArray<16, UInt8>.self)
}

/// Returns eight hexadecimal digits, the first in the byte with the lowest address. Computes all eight at once.
private func digits(of number: UInt32) -> UInt64 {
    var nibbles = UInt64(number)
    nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
    nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
    nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
    // 1 in each byte that needs a letter.
    let letters = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* UInt64(UInt8(ascii: "a") - UInt8(ascii: "0") - 10)).bigEndian
}
