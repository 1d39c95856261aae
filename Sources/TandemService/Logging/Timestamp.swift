internal import Glibc

/// Moments as RFC 3339 writes them, in UTC with milliseconds: `2026-11-25T21:05:51.123Z`. The second is formatted when it is
/// another than the last.
struct Timestamp {
    private var second = Int.min
    private var text: [UInt8] = []

    /// Appends the present moment.
    mutating func appendNow(to line: inout [UInt8]) {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        append(second: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000, to: &line)
    }

    /// Appends a moment, counted from 1970.
    mutating func append(second: Int, milliseconds: Int, to line: inout [UInt8]) {
        if second != self.second {
            self.second = second
            text = Self.format(second)
        }
        line += text
        line.append(UInt8(ascii: "."))
        line.append(decimal: milliseconds, digits: 3)
        line.append(UInt8(ascii: "Z"))
    }

    private static func format(_ second: Int) -> [UInt8] {
        var (second, parts) = (time_t(second), tm())
        gmtime_r(&second, &parts)
        var text: [UInt8] = []
        text.append(decimal: Int(parts.tm_year) + 1_900, digits: 4)
        for (separator, number) in [
            ("-", parts.tm_mon + 1), ("-", parts.tm_mday), ("T", parts.tm_hour), (":", parts.tm_min), (":", parts.tm_sec),
        ] {
            text += separator.utf8
            text.append(decimal: Int(number), digits: 2)
        }
        return text
    }
}

extension [UInt8] {
    /// The last `digits` decimal digits of a number that is not negative.
    mutating func append(decimal number: Int, digits: Int) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// A duration in milliseconds with three places after the point.
    mutating func append(milliseconds duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let microseconds = Swift.max(0, Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000))
        self += String(microseconds / 1_000).utf8
        append(UInt8(ascii: "."))
        append(decimal: microseconds % 1_000, digits: 3)
    }
}
