public import HTTPTypes
internal import HTTPWire

/// The id of one request, for logs: what a trusted proxy gave it, or 16 hexadecimal digits.
public struct RequestID: Sendable, Hashable, CustomStringConvertible {
    /// The longest id that is taken over from a client, in bytes. UUIDs have 36; some proxies send twice that.
    static let longest = 128

    private let given: String?
    private let number: UInt64

    init(number: UInt64) {
        self.number = number
        given = nil
    }

    /// One from outside; nil unless it is 1 to 128 visible ASCII characters, so that it can stand in a log or a field as it is.
    public init?(_ text: String) {
        guard 1...Self.longest ~= text.utf8.count, text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        given = text
        number = 0
    }

    /// The text.
    public var description: String {
        if let given { return given }
        return hexadecimal(number)
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`, which is no standard and which everybody uses.
    public static let xRequestID = HTTPField.Name("X-Request-Id")!
}

/// Numbers that do not come twice: a counter, mixed so that those of two hubs or processes do not lie side by side. One hub.
struct RequestNumbers {
    private var state = UInt64.random(in: 0 ... .max)

    /// SplitMix64, which is one to one: within one counter nothing repeats before 2^64.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// 16 digits in lower case.
func hexadecimal(_ number: UInt64) -> String {
    String(unsafeUninitializedCapacity: 16) { digits in
        for index in 0..<16 {
            let value = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * index)) & 15
            digits[index] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
        }
        return 16
    }
}
