/// Decoding of percent-encoded text (RFC 3986 section 2.1).
public enum PercentDecoding {
    /// Decodes one path segment or, with `plusIsSpace`, one name or value of a form (`application/x-www-form-urlencoded`).
    ///
    /// Split a path at its slashes before you decode it: `%2F` decodes to a slash that is not a separator.
    ///
    /// - Returns: The text. Nil if a `%` is not followed by two hexadecimal digits, or if the result is not UTF-8, contains NUL,
    ///   or has more than 128 combining marks in a row. NUL is refused because C code would take it for the end of the string, and
    ///   long runs of marks because the time to compare or hash a string grows with their square.
    public static func decode(_ bytes: Span<UInt8>, plusIsSpace: Bool = false) -> String? {
        if isPlain(bytes, plusIsSpace) { return bytes.text }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        var allBits: UInt8 = 0
        while index < bytes.count {
            var byte = bytes[index]
            index &+= 1
            if byte == UInt8(ascii: "%") {
                guard index + 1 < bytes.count, let high = bytes[index].hexDigitValue, let low = bytes[index + 1].hexDigitValue
                else { return nil }
                byte = high << 4 | low
                index &+= 2
            } else if plusIsSpace, byte == UInt8(ascii: "+") {
                byte = .space
            }
            guard byte != 0 else { return nil }
            allBits |= byte
            decoded.append(byte)
        }
        // ASCII is always valid UTF-8, and this takes a tenth of the time of a validation.
        if allBits < 0x80 { return String(decoding: decoded, as: UTF8.self) }
        guard let text = String(validating: decoded, as: UTF8.self), !CombiningMarks.exceedLimit(in: text) else { return nil }
        return text
    }

    /// Returns whether all bytes are ASCII that stands for itself. Most names and values are, and they need no array for the
    /// decoded bytes.
    private static func isPlain(_ bytes: Span<UInt8>, _ plusIsSpace: Bool) -> Bool {
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == 0 || byte >= 0x80 || byte == UInt8(ascii: "%") || plusIsSpace && byte == UInt8(ascii: "+") { return false }
        }
        return true
    }

    /// Decodes text, as `decode(_:plusIsSpace:)` decodes bytes.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        decode(Array(text.utf8).span, plusIsSpace: plusIsSpace)
    }
}
