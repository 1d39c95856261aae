import Logging
import TandemTesting

extension TestLog {
    /// The entries without the line with which every server begins.
    var lines: [TestLogEntry] { entries.filter { !$0.message.hasPrefix("listening on ") } }
}
