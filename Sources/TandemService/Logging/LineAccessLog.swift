internal import TandemHTTP

/// Writes a line for each request.
struct LineAccessLog: AccessLog {
    let writer: LineWriter
    /// Text or JSON.
    let format: LogFormat

    func record(_ entry: AccessLogEntry) {
        writer.write(hub: entry.hub) { line, stamp in
            switch format {
            case .json: AccessLogObject.append(entry, &stamp, to: &line)
            default: AccessLogLine.append(entry, &stamp, to: &line)
            }
        }
    }
}
