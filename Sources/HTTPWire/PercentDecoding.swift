/// Decodes percent-encoded text (RFC 3986 section 2.1).
public enum PercentDecoding {
    /// Decodes one path segment, or with `plusIsSpace` one name or value of a form (`application/x-www-form-urlencoded`).
    ///
    /// Split a path at its slashes first: `%2F` decodes to a slash that separates nothing.
    ///
    /// - Returns: The text, or nil if a `%` is not followed by two hexadecimal digits, or the result is not UTF-8 or holds
    ///   NUL, which ends a string in C code that it may be passed on to.
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
        // ASCII is valid, and this is a tenth of the cost.
        if allBits < 0x80 { return String(decoding: decoded, as: UTF8.self) }
        return String(validating: decoded, as: UTF8.self)
    }

    /// Whether the bytes are ASCII that stands for itself. Most names and values are; they become text without an
    /// array in between.
    private static func isPlain(_ bytes: Span<UInt8>, _ plusIsSpace: Bool) -> Bool {
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == 0 || byte >= 0x80 || byte == UInt8(ascii: "%") || plusIsSpace && byte == UInt8(ascii: "+") { return false }
        }
        return true
    }

    /// The same for text.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        decode(Array(text.utf8).span, plusIsSpace: plusIsSpace)
    }
}
