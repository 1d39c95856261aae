internal import TandemHTTP

/// Writes a line for each request.
struct LineAccessLog: AccessLog {
    let writer: LineWriter

    func record(_ entry: AccessLogEntry) {
        writer.write(hub: entry.hub) { AccessLogLine.append(entry, to: &$0) }
    }
}
