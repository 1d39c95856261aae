internal import TandemHTTP

/// One request as a line of text, for people and for awk. What it does not have is "-":
///
///     2026-11-25T21:05:51.123Z blocking hub=0 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 in=75B
///     route=/blocking/sleep id=9c1e58a34b7fd026 trace=- HTTP/1.1 tls=no completed        (on the same line)
enum AccessLogLine {
    /// The longest target that is written, in bytes; what is beyond is cut.
    static let longestTarget = 1_024

    /// Appends the line. What the client chose, its target and its method, can neither end the line nor look like another field.
    static func append(_ entry: AccessLogEntry, _ stamp: inout Timestamp, to line: inout [UInt8]) {
        stamp.appendNow(to: &line)
        line.append(space)
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
        line.append(milliseconds: entry.duration)
        line += "ms ".utf8
        line += entry.remoteAddress.utf8
        line += " in=".utf8
        append(entry.bytesReceived, to: &line)
        line += "B route=".utf8
        appendEscaped(entry.route ?? "-", to: &line)
        line += " id=".utf8
        appendEscaped(entry.requestID?.description ?? "-", to: &line)
        line += " trace=".utf8
        line += (entry.traceID ?? "-").utf8
        line.append(space)
        line += (entry.version?.description ?? "-").utf8
        line += entry.isSecure ? " tls=yes ".utf8 : " tls=no ".utf8
        line += entry.outcome.rawValue.utf8
        line.append(UInt8(ascii: "\n"))
    }

    /// A target as JSON has it: no longer than text has it.
    static func cut(_ target: String) -> String {
        target.utf8.count > longestTarget ? String(decoding: target.utf8.prefix(longestTarget), as: UTF8.self) + "..." : target
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
}

/// 0 to 15 as one hexadecimal digit in lower case.
func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
