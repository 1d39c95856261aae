internal import HTTPTypes
internal import HTTPWire
public import Tracing

/// Where a request stands in a trace, as the W3C's Trace Context has it: the ids that `traceparent` carries, whether the
/// caller records, and `tracestate`, which is handed on as it came. https://www.w3.org/TR/trace-context/
public struct TraceContext: Sendable, Hashable {
    /// The trace's id, never 0.
    public var traceIDHigh: UInt64, traceIDLow: UInt64
    /// The id of the span that is the parent of what comes, never 0.
    public var parentID: UInt64
    /// Whether the caller may have recorded its span.
    public var isSampled: Bool
    /// `tracestate`, when it was well-formed and had anything in it.
    public var state: String?

    /// A context with these ids.
    public init(traceIDHigh: UInt64, traceIDLow: UInt64, parentID: UInt64, isSampled: Bool, state: String? = nil) {
        self.traceIDHigh = traceIDHigh
        self.traceIDLow = traceIDLow
        self.parentID = parentID
        self.isSampled = isSampled
        self.state = state
    }

    /// What a `traceparent` says; nil when it is malformed, and the caller's trace is not joined then. A version that is not
    /// known yet may have more fields behind those of version 00.
    public init?(traceparent: String, tracestate: String? = nil) {
        let text = Array(traceparent.utf8)
        guard text.count >= 55, text[2] == dash, text[35] == dash, text[52] == dash else { return nil }
        guard let version = lowerHexadecimal(text[0..<2]), version != 0xFF else { return nil }
        guard text.count == 55 || version != 0 && text[55] == dash else { return nil }
        guard let high = lowerHexadecimal(text[3..<19]), let low = lowerHexadecimal(text[19..<35]), high | low != 0,
            let parent = lowerHexadecimal(text[36..<52]), parent != 0, let flags = lowerHexadecimal(text[53..<55])
        else { return nil }
        self.init(
            traceIDHigh: high, traceIDLow: low, parentID: parent, isSampled: flags & 1 != 0,
            state: tracestate.flatMap(TraceState.checked))
    }

    /// What a request says; nil without exactly one `traceparent`.
    init?(_ head: RequestHead) {
        // Nearly every request has none.
        guard let parent = head[.traceparent] else { return nil }
        self.init(traceparent: parent, tracestate: head[.tracestate])
    }

    /// The trace's id as 32 hexadecimal digits.
    public var traceID: String { hexadecimal(traceIDHigh) + hexadecimal(traceIDLow) }

    /// The span's id as 16 hexadecimal digits.
    public var spanID: String { hexadecimal(parentID) }

    /// As the field `traceparent`, in version 00. Of the flags only "sampled" is known, and the others must not be handed on.
    public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }
}

extension ServiceContext {
    private enum Key: ServiceContextKey {
        typealias Value = TraceContext
        static let nameOverride: String? = "w3c-trace-context"
    }

    /// The innermost span's place in its trace, when its tracer goes by W3C Trace Context.
    public var traceContext: TraceContext? {
        get { self[Key.self] }
        set { self[Key.self] = newValue }
    }
}

extension HTTPField.Name {
    static let traceparent = HTTPField.Name("traceparent")!
    static let tracestate = HTTPField.Name("tracestate")!
}

private let dash = UInt8(ascii: "-")

/// A number of at most 16 hexadecimal digits; nil for any other byte, capitals among them.
private func lowerHexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
    var number: UInt64 = 0
    for digit in digits {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
        default: return nil
        }
    }
    return number
}
