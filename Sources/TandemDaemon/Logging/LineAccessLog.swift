internal import TandemHTTP

/// The access log of the daemon: one line per request.
final class LineAccessLog: AccessLog {
    private let writer: LineWriter
    private let format: LogFormat

    init(writer: LineWriter, format: LogFormat) {
        self.writer = writer
        self.format = format
    }

    func record(_ entry: borrowing AccessLogEntry) {
        writer.write(hub: entry.hub) { line, stamp in
            switch format {
            case .json: AccessLogObject.append(entry, &stamp, to: &line)
            case .text: AccessLogLine.append(entry, &stamp, to: &line)
            }
        }
    }
}
