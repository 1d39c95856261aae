/// A number from its decimal digits. Nothing else is one: no sign, no space, no hexadecimal, and no zero in front, which
/// some would read as octal.
func wholeNumber(_ text: String) -> Int? {
    let digits = text.utf8
    guard let first = digits.first, digits.allSatisfy(isDigit), first != UInt8(ascii: "0") || digits.count == 1 else {
        return nil
    }
    return Int(text)
}

/// 0 to 9.
func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
