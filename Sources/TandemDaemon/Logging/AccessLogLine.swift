internal import HTTPWire
internal import TandemHTTP

/// The text format of the access log: one line per request, for people and for awk. Missing values are "-":
///
///     2026-11-25T21:05:51.123Z blocking hub=0 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 in=75B
///     route=/blocking/sleep id=9c1e58a34b7fd026 trace=- HTTP/1.1 tls=no completed        (on the same line)
enum AccessLogLine {
    /// The maximum number of bytes written of a method, a target, a route or an id. Longer values are truncated.
    static let longestText = 1_024
    /// The maximum length of a line without the peer's address: each byte of external text may take up to four bytes.
    private static let mostBytes = 384 + 4 * (3 * longestText + RequestID.longest)

    /// Appends the line. Text from the client is escaped, so it can neither end the line nor look like another field.
    static func append(_ entry: borrowing AccessLogEntry, _ stamp: inout Timestamp, to line: inout [UInt8]) {
        LineBytes.append(to: &line, room: mostBytes + entry.remoteAddress.utf8.count) { line in
            line.append(stamp.now())
            switch entry.style {
            case .blocking: line.append(" blocking hub=")
            case .async: line.append(" async hub=")
            case .none: line.append(" none hub=")
            }
            line.append(decimal: entry.hub)
            if let head = entry.head {
                head.withRequestLine { method, target in
                    line.append(" ")
                    // The method is a token (RFC 9110, 5.6.2), so no byte of it needs escaping.
                    method.extracting(first: longestText).withUnsafeBufferPointer { line.append($0) }
                    if method.count > longestText { line.append("...") }
                    line.append(" ")
                    target.withUnsafeBufferPointer { line.append(escaping: $0, limit: longestText) }
                    line.append(" ")
                }
            } else {
                line.append(" - - ")
            }
            line.append(decimal: entry.status)
            line.append(" ")
            line.append(decimal: entry.bytes)
            line.append("B ")
            line.append(milliseconds: entry.nanoseconds)
            line.append("ms ")
            line.append(text: entry.remoteAddress)
            line.append(" in=")
            line.append(decimal: entry.bytesReceived)
            line.append("B route=")
            if let route = entry.route {
                route.withBytes { line.append(escaping: $0, limit: longestText) }
            } else {
                line.append("-")
            }
            line.append(" id=")
            if let digits = entry.requestID?.digits {
                line.append(digits)
            } else if let id = entry.requestID {
                id.description.withBytes { line.append(escaping: $0, limit: longestText) }
            } else {
                line.append("-")
            }
            line.append(" trace=")
            if let trace = entry.traceID { line.append(text: trace) } else { line.append("-") }
            switch entry.version {
            case .http11: line.append(" HTTP/1.1")
            case .http10: line.append(" HTTP/1.0")
            case nil: line.append(" -")
            }
            if entry.isSecure { line.append(" tls=yes ") } else { line.append(" tls=no ") }
            switch entry.outcome {
            case .completed: line.append("completed\n")
            case .cancelled: line.append("cancelled\n")
            case .failed: line.append("failed\n")
            }
        }
    }
}
