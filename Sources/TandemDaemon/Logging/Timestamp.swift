internal import Glibc

/// A formatter for times in RFC 3339 format, in UTC with milliseconds: `2026-11-25T21:05:51.123Z`. It rewrites only the parts
/// that have changed since the last time.
struct Timestamp {
    typealias Text = InlineArray<24, UInt8>

    private var second = Int.min
    private var milliseconds = Int.min
    private var text = Text(repeating: UInt8(ascii: "0"))

    /// Returns the current time.
    mutating func now() -> Text {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return at(second: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
    }

    /// Returns the text of a time, given in seconds since 1970 and milliseconds.
    @inline(__always)
    mutating func at(second: Int, milliseconds: Int) -> Text {
        if second != self.second { setSecond(second) }
        if milliseconds != self.milliseconds {
            self.milliseconds = milliseconds
            put(milliseconds, digits: 3, at: 20)
        }
        return text
    }

    /// Appends the current time.
    mutating func appendNow(to line: inout [UInt8]) { append(now(), to: &line) }

    /// Appends a time, given in seconds since 1970 and milliseconds.
    mutating func append(second: Int, milliseconds: Int, to line: inout [UInt8]) {
        append(at(second: second, milliseconds: milliseconds), to: &line)
    }

    private func append(_ text: Text, to line: inout [UInt8]) {
        LineBytes.append(to: &line, room: Text.count) { $0.append(text) }
    }

    @inline(never)
    private mutating func setSecond(_ second: Int) {
        self.second = second
        var (second, parts) = (time_t(second), tm())
        gmtime_r(&second, &parts)
        put(Int(parts.tm_year) + 1_900, digits: 4, at: 0, before: "-")
        put(Int(parts.tm_mon) + 1, digits: 2, at: 5, before: "-")
        put(Int(parts.tm_mday), digits: 2, at: 8, before: "T")
        put(Int(parts.tm_hour), digits: 2, at: 11, before: ":")
        put(Int(parts.tm_min), digits: 2, at: 14, before: ":")
        put(Int(parts.tm_sec), digits: 2, at: 17, before: ".")
        text[23] = UInt8(ascii: "Z")
    }

    @inline(__always)
    private mutating func put(_ number: Int, digits: Int, at index: Int, before separator: Unicode.Scalar? = nil) {
        var rest = number
        for digit in (0..<digits).reversed() {
            text[index + digit] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        if let separator { text[index + digits] = UInt8(ascii: separator) }
    }
}
