/// A number of a JSON text: `significand` times ten to the power of `exponent`, exactly.
struct DecimalNumber {
    let isNegative: Bool
    /// The decimal digits, without zeros at either end; empty for 0.
    let significand: ArraySlice<UInt8>
    /// The power of ten, between -2^40 and 2^40.
    let exponent: Int

    /// Reads a number in the grammar of RFC 8259.
    init(_ text: ArraySlice<UInt8>) {
        var rest = text
        isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest.removeFirst() }
        var digits: ArraySlice<UInt8> = []
        var (exponent, isFraction) = (0, false)
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                exponent += Self.power(rest)
                rest = []
            default:
                digits.append(byte)
                if isFraction { exponent -= 1 }
            }
        }
        let zero = UInt8(ascii: "0")
        digits = digits.drop { $0 == zero }
        while digits.last == zero {
            digits.removeLast()
            exponent += 1
        }
        (significand, self.exponent) = (digits, digits.isEmpty ? 0 : exponent)
    }

    /// The value of the digits after the `e`, at most 2^39 and at least -2^39, far beyond all types of numbers.
    private static func power(_ text: ArraySlice<UInt8>) -> Int {
        var value = 0
        for byte in text where byte &- UInt8(ascii: "0") <= 9 {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1 << 39)
        }
        return text.first == UInt8(ascii: "-") ? -value : value
    }

    /// Whether the number has no fraction.
    var isWhole: Bool { exponent >= 0 }

    /// Returns the number as an integer; nil if it has a fraction or does not fit.
    func integer<Value: FixedWidthInteger>(as type: Value.Type) -> Value? {
        guard isWhole, significand.count + exponent <= Value.bitWidth else { return nil }
        let zeros = repeatElement(UInt8(ascii: "0"), count: exponent)
        return Value((isNegative ? "-0" : "0") + String(decoding: significand + zeros, as: UTF8.self))
    }
}
