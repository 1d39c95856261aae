internal import TandemHTTP

/// One request as one JSON object on a line. Members that a request does not have are left out.
enum AccessLogObject {
    static func append(_ entry: AccessLogEntry, _ stamp: inout Timestamp, to line: inout [UInt8]) {
        line += #"{"time":""#.utf8
        stamp.appendNow(to: &line)
        line += #"","type":"request""#.utf8
        text("method", entry.method?.rawValue, &line)
        text("target", entry.target.map(AccessLogLine.cut), &line)
        text("route", entry.route, &line)
        text("style", entry.style.rawValue, &line)
        line += #","status":\#(entry.status),"bytes_in":\#(entry.bytesReceived),"bytes_out":\#(entry.bytes)"#.utf8
        line += #","duration_ms":"#.utf8
        line.append(milliseconds: entry.duration)
        text("request_id", entry.requestID?.description, &line)
        text("trace_id", entry.traceID, &line)
        text("peer", entry.remoteAddress, &line)
        line += #","hub":\#(entry.hub)"#.utf8
        text("outcome", entry.outcome.rawValue, &line)
        text("protocol", entry.version?.description, &line)
        line += #","tls":\#(entry.isSecure)}"#.utf8
        line.append(UInt8(ascii: "\n"))
    }

    private static func text(_ name: String, _ value: String?, _ line: inout [UInt8]) {
        guard let value else { return }
        line += #","\#(name)":"#.utf8
        LogText.appendQuoted(value, to: &line)
    }
}
