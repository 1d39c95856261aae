internal import Glibc

/// How lines are written.
public enum LogFormat: String, Sendable, CaseIterable {
    /// For people, and for awk.
    case text
    /// One JSON object a line.
    case json
    /// Text on a terminal, JSON elsewhere.
    case auto

    /// What it comes to for a descriptor.
    func resolved(for fd: CInt) -> LogFormat { self == .auto ? isatty(fd) == 1 ? .text : .json : self }
}
