internal import Glibc

/// The format of log lines.
public enum LogFormat: String, Sendable, CaseIterable {
    /// Text, for people and for awk.
    case text
    /// One JSON object per line.
    case json
    /// Text on a terminal, JSON elsewhere.
    case auto

    /// Returns the format for a descriptor: `auto` is text on a terminal, otherwise JSON.
    func resolved(for fd: CInt) -> LogFormat { self == .auto ? isatty(fd) == 1 ? .text : .json : self }
}
