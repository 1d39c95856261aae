/// Parses a number that consists of decimal digits only. Returns nil for a sign, a space, hexadecimal digits, or a leading zero,
/// which some programs read as octal.
func wholeNumber(_ text: String) -> Int? {
    let digits = text.utf8
    guard let first = digits.first, digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }),
        first != UInt8(ascii: "0") || digits.count == 1
    else {
        return nil
    }
    return Int(text)
}
