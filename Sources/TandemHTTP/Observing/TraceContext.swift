internal import HTTPTypes
internal import HTTPWire
public import Tracing

/// The position of a request in a trace, by the W3C's Trace Context: the ids in `traceparent`, whether the caller records its
/// span, and `tracestate`, which is passed on. https://www.w3.org/TR/trace-context/
public struct TraceContext: Sendable, Hashable {
    /// The two halves of the trace's id, which is never 0.
    public var traceIDHigh: UInt64, traceIDLow: UInt64
    /// The id of the parent span, never 0.
    public var parentID: UInt64
    /// Whether the caller may have recorded its span.
    public var isSampled: Bool
    /// The value of `tracestate`; nil if it was malformed or empty.
    public var state: String?

    /// Creates a context with these ids.
    public init(traceIDHigh: UInt64, traceIDLow: UInt64, parentID: UInt64, isSampled: Bool, state: String? = nil) {
        self.traceIDHigh = traceIDHigh
        self.traceIDLow = traceIDLow
        self.parentID = parentID
        self.isSampled = isSampled
        self.state = state
    }

    /// Parses a `traceparent`. Returns nil if it is malformed; the request then does not join the caller's trace. A malformed
    /// `tracestate` is dropped. A version later than 00 may have more fields after those of version 00.
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

    /// Reads the context of a request. Returns nil unless there is exactly one well-formed `traceparent`.
    init?(_ head: RequestHead) {
        // Nearly every request has none.
        guard let parent = head[.traceparent] else { return nil }
        self.init(traceparent: parent, tracestate: head[.tracestate])
    }

    /// The trace's id as 32 hexadecimal digits.
    public var traceID: String { hexadecimal(traceIDHigh) + hexadecimal(traceIDLow) }

    /// The parent span's id as 16 hexadecimal digits.
    public var spanID: String { hexadecimal(parentID) }

    /// The value of the field `traceparent`, in version 00. Its only flag is "sampled", because unknown flags must not be
    /// passed on.
    public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }
}

extension ServiceContext {
    private enum Key: ServiceContextKey {
        typealias Value = TraceContext
        static let nameOverride: String? = "w3c-trace-context"
    }

    /// The position of the innermost span in its trace, if its tracer uses W3C Trace Context; otherwise nil.
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

/// Parses at most 16 hexadecimal digits in lower case. Returns nil for any other byte.
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
