internal import TandemHTTP

/// One request as a line of text, for people and for awk:
///
///     blocking hub=0 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 completed
enum AccessLogLine {
    /// The longest target that is written; what is beyond is cut.
    static let longestTarget = 1_024

    /// Appends the line. What the client chose, its target and its method, can neither end the line nor look like another field.
    static func append(_ entry: AccessLogEntry, to line: inout [UInt8]) {
        line += entry.style.rawValue.utf8
        line += " hub=".utf8
        append(entry.hub, to: &line)
        line.append(space)
        appendEscaped(entry.method?.rawValue ?? "-", to: &line)
        line.append(space)
        appendEscaped(entry.target ?? "-", to: &line)
        line.append(space)
        append(entry.status, to: &line)
        line.append(space)
        append(entry.bytes, to: &line)
        line += "B ".utf8
        appendMilliseconds(entry.duration, to: &line)
        line.append(space)
        line += entry.remoteAddress.utf8
        line.append(space)
        line += entry.outcome.rawValue.utf8
        line.append(UInt8(ascii: "\n"))
    }

    private static let space = UInt8(ascii: " ")

    /// Bytes that are not printable ASCII, spaces, quotes and backslashes are written as `\x0a`.
    private static func appendEscaped(_ text: String, to line: inout [UInt8]) {
        let bytes = text.utf8
        for byte in bytes.prefix(longestTarget) {
            switch byte {
            case 0...0x20, 0x7F..., UInt8(ascii: "\""), UInt8(ascii: "\\"):
                line += [UInt8(ascii: "\\"), UInt8(ascii: "x"), hexDigit(byte >> 4), hexDigit(byte & 15)]
            default: line.append(byte)
            }
        }
        if bytes.count > longestTarget { line += "...".utf8 }
    }

    private static func append(_ number: Int, to line: inout [UInt8]) { line += String(number).utf8 }

    /// Three places after the point.
    private static func appendMilliseconds(_ duration: Duration, to line: inout [UInt8]) {
        let (seconds, attoseconds) = duration.components
        let microseconds = Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
        append(microseconds / 1_000, to: &line)
        line.append(UInt8(ascii: "."))
        let rest = microseconds % 1_000
        for digit in [rest / 100, rest / 10 % 10, rest % 10] { line.append(UInt8(ascii: "0") + UInt8(digit)) }
        line += "ms".utf8
    }
}

/// 0 to 15 as one hexadecimal digit in lower case.
func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
