/// A number from its decimal digits. Nothing else is one: no sign, no space, no hexadecimal, and no zero in front, which
/// some would read as octal.
func wholeNumber(_ text: String) -> Int? {
    let digits = text.utf8
    guard let first = digits.first, digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }),
        first != UInt8(ascii: "0") || digits.count == 1
    else {
        return nil
    }
    return Int(text)
}
