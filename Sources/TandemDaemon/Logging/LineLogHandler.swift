internal import Logging

/// The daemon's backend for swift-log: one line per entry, as text or JSON.
///
///     2026-11-25T21:05:51.123Z error tandemd: handler threw error=broken http.target=/async/json peer=127.0.0.1:51110
struct LineLogHandler: LogHandler {
    private let label: String
    private let output: LogOutput
    private let format: LogFormat
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    /// Creates a handler that writes to `output`.
    init(label: String, output: LogOutput, format: LogFormat) {
        self.label = label
        self.output = output
        self.format = format
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        if let error = event.error { fields["error"] = .string("\(error)") }
        let sorted = fields.sorted { $0.key < $1.key }
        output.write { line, stamp in
            switch format {
            case .json: json(event, sorted, &line, &stamp)
            case .text: text(event, sorted, &line, &stamp)
            }
        }
    }

    private func text(
        _ event: LogEvent, _ fields: [Logger.Metadata.Element], _ line: inout [UInt8], _ stamp: inout Timestamp
    ) {
        stamp.appendNow(to: &line)
        line += " \(event.level) \(label): ".utf8
        LogText.appendMessage(event.message.description, to: &line)
        for (key, value) in fields {
            line.append(UInt8(ascii: " "))
            LogText.appendWord(key, to: &line)
            line.append(UInt8(ascii: "="))
            LogText.appendWord(value.description, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
    }

    private func json(
        _ event: LogEvent, _ fields: [Logger.Metadata.Element], _ line: inout [UInt8], _ stamp: inout Timestamp
    ) {
        line += #"{"time":""#.utf8
        stamp.appendNow(to: &line)
        line += #"","level":"\#(event.level)","logger":"#.utf8
        LogText.appendQuoted(label, to: &line)
        line += #","message":"#.utf8
        LogText.appendQuoted(event.message.description, to: &line)
        for (key, value) in fields {
            line.append(UInt8(ascii: ","))
            // Metadata keys that equal the name of a standard member get an underscore.
            LogText.appendQuoted(Self.own.contains(key) ? key + "_" : key, to: &line)
            line.append(UInt8(ascii: ":"))
            LogText.appendQuoted(value.description, to: &line)
        }
        line += "}\n".utf8
    }

    private static let own: Set = ["time", "level", "logger", "message"]
}
