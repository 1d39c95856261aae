internal import Glibc

/// The format of log lines.
enum LogFormat: Sendable {
    /// Text, for people and for awk.
    case text
    /// One JSON object per line.
    case json
}

/// The values of `log.format` and `log.access-format`.
enum LogFormatChoice: String, Sendable, CaseIterable {
    case text, json
    /// Text on a terminal, JSON elsewhere.
    case auto

    /// Returns the format of the lines that are written to `fd`.
    func format(for fd: CInt) -> LogFormat {
        switch self {
        case .text: .text
        case .json: .json
        case .auto: isatty(fd) == 1 ? .text : .json
        }
    }
}
