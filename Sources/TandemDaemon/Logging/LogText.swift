/// Escaping of external text for the log: the text can neither end a line, nor look like another field, nor control a terminal.
enum LogText {
    /// Appends a JSON string (RFC 8259). Besides the characters that JSON requires, it escapes all control and format characters,
    /// and line and paragraph separators: C1 controls affect terminals, and direction marks reorder the visible text.
    static func appendQuoted(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += #"\""#.utf8
            case "\\": line += #"\\"#.utf8
            case "\n": line += #"\n"#.utf8
            case "\r": line += #"\r"#.utf8
            case "\t": line += #"\t"#.utf8
            default: append(scalar, to: &line)
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    /// Appends bytes as a JSON string. Invalid UTF-8 is repaired. Visible ASCII without quotes and backslashes is copied
    /// unchanged.
    static func appendQuoted(_ bytes: UnsafeBufferPointer<UInt8>, to line: inout [UInt8]) {
        guard bytes.visibleASCII(from: 0, to: bytes.count) == bytes.count else {
            return appendQuoted(String(decoding: bytes, as: UTF8.self), to: &line)
        }
        LineBytes.append(to: &line, room: bytes.count + 2) { line in
            line.append("\"")
            line.append(bytes)
            line.append("\"")
        }
    }

    /// Appends a text unchanged if it is one word, otherwise quoted.
    static func appendWord(_ text: String, to line: inout [UInt8]) {
        let isWord = !text.isEmpty && text.utf8.allSatisfy { 0x21...0x7E ~= $0 && !#""\="#.utf8.contains($0) }
        if isWord { line += text.utf8 } else { appendQuoted(text, to: &line) }
    }

    /// Appends a message. Lines after the first are indented, so that none of them looks like an entry.
    static func appendMessage(_ text: String, to line: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            if scalar == "\n" { line += "\n    ".utf8 } else { append(scalar, to: &line) }
        }
    }

    private static func append(_ scalar: Unicode.Scalar, to line: inout [UInt8]) {
        if 0x20...0x7E ~= scalar.value { return line.append(UInt8(scalar.value)) }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
            for unit in String(scalar).utf16 {
                line += #"\u"#.utf8
                for shift in [12, 8, 4, 0] { line.append(hexDigit(UInt8(truncatingIfNeeded: unit >> UInt16(shift)) & 15)) }
            }
        default: line += String(scalar).utf8
        }
    }
}
