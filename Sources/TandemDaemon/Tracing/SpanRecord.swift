internal import TandemHTTP
internal import Tracing

/// The data of a span, complete when the span has ended.
struct SpanRecord: Sendable {
    /// The maximum number of events kept per span, so that a loop that adds events does not fill the memory.
    static let mostEvents = 32

    /// The maximum number of links kept per span.
    static let mostLinks = 32

    var name: String
    let kind: SpanKind
    /// The ids of the trace and of this span.
    let trace: TraceContext
    /// The id of the parent span; nil for the first span of a trace.
    let parentID: UInt64?
    /// The time when the span started, in nanoseconds since 1970.
    let began: UInt64
    var ended: UInt64 = 0
    var status: SpanStatus?
    var attributes: SpanAttributes = [:]
    var events: [SpanEvent] = []
    /// The number of events beyond `mostEvents`.
    var droppedEvents = 0
    /// Spans other than the parent, of this trace or another, that this span refers to: for example those whose messages it
    /// handles in a batch.
    var links: [(target: TraceContext, attributes: SpanAttributes)] = []
    /// The number of links beyond `mostLinks`.
    var droppedLinks = 0

    init(name: String, kind: SpanKind, trace: TraceContext, parentID: UInt64?, began: UInt64) {
        self.name = name
        self.kind = kind
        self.trace = trace
        self.parentID = parentID
        self.began = began
    }

    /// Appends the record as one line with a JSON object.
    func append(_ stamp: inout Timestamp, to line: inout [UInt8]) {
        line += #"{"time":""#.utf8
        stamp.append(second: Int(ended / 1_000_000_000), milliseconds: Int(ended / 1_000_000 % 1_000), to: &line)
        line += #"","type":"span","name":"#.utf8
        LogText.appendQuoted(name, to: &line)
        line += #","kind":"\#(kind)","trace_id":"\#(trace.traceID)","span_id":"\#(trace.spanID)""#.utf8
        if let parentID {
            let parent = TraceContext(traceIDHigh: 0, traceIDLow: 0, parentID: parentID, isSampled: false)
            line += #","parent_id":"\#(parent.spanID)""#.utf8
        }
        line += #","duration_ms":"#.utf8
        LineBytes.append(to: &line, room: 32) { $0.append(milliseconds: Int(clamping: ended - min(began, ended))) }
        if let status {
            line += #","status":"\#(status.code == .error ? "error" : "ok")""#.utf8
            if let message = status.message {
                line += #","status_message":"#.utf8
                LogText.appendQuoted(message, to: &line)
            }
        }
        line += #","attributes":"#.utf8
        Self.append(attributes, to: &line)
        appendEvents(to: &line)
        appendLinks(to: &line)
        line += "}\n".utf8
    }

    private func appendEvents(to line: inout [UInt8]) {
        guard !events.isEmpty else { return }
        line += #","events":["#.utf8
        for (index, event) in events.enumerated() {
            line += index == 0 ? #"{"name":"#.utf8 : #",{"name":"#.utf8
            LogText.appendQuoted(event.name, to: &line)
            line += #","attributes":"#.utf8
            Self.append(event.attributes, to: &line)
            line.append(UInt8(ascii: "}"))
        }
        line.append(UInt8(ascii: "]"))
    }

    private func appendLinks(to line: inout [UInt8]) {
        guard !links.isEmpty else { return }
        line += #","links":["#.utf8
        for (index, link) in links.enumerated() {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            line += #"{"trace_id":"\#(link.target.traceID)","span_id":"\#(link.target.spanID)","attributes":"#.utf8
            Self.append(link.attributes, to: &line)
            line.append(UInt8(ascii: "}"))
        }
        line.append(UInt8(ascii: "]"))
    }

    private static func append(_ attributes: SpanAttributes, to line: inout [UInt8]) {
        var all: [(String, SpanAttribute)] = []
        attributes.forEach { all.append(($0, $1)) }
        line.append(UInt8(ascii: "{"))
        for (index, (key, value)) in all.sorted(by: { $0.0 < $1.0 }).enumerated() {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            LogText.appendQuoted(key, to: &line)
            line.append(UInt8(ascii: ":"))
            append(value, to: &line)
        }
        line.append(UInt8(ascii: "}"))
    }

    private static func append(_ value: SpanAttribute, to line: inout [UInt8]) {
        switch value {
        case .int32(let number): line += String(number).utf8
        case .int64(let number): line += String(number).utf8
        case .double(let number) where number.isFinite: line += String(number).utf8
        case .bool(let flag): line += String(flag).utf8
        case .string(let text): LogText.appendQuoted(text, to: &line)
        case .stringConvertible(let text): LogText.appendQuoted(text.description, to: &line)
        default: LogText.appendQuoted("\(value)", to: &line)
        }
    }
}
