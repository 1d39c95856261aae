internal import Synchronization
internal import TandemHTTP
internal import Tracing

/// A tracer for W3C Trace Context: it continues the trace of the client, gives each span an id, passes both
/// on to upstreams, and passes ended spans to a sink if there is one.
///
/// A span is recorded if its trace is sampled and there is a sink. Otherwise it only carries ids. The service that started the
/// trace decides whether it is sampled.
struct W3CTracer: Tracer {
    private let startsTraces: Bool
    private let sink: (@Sendable (SpanRecord) -> Void)?

    /// Creates a tracer that passes ended spans to `sink`, which may be called on any thread and must not block.
    init(startsTraces: Bool, sink: (@Sendable (SpanRecord) -> Void)? = nil) {
        self.startsTraces = startsTraces
        self.sink = sink
    }

    func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> W3CSpan {
        var context = context()
        let parent = context.traceContext
        if parent == nil, !startsTraces { return context.isEmpty ? .none : W3CSpan(context: context) }
        var trace =
            parent
            ?? TraceContext(
                traceIDHigh: TraceIDs.next(), traceIDLow: TraceIDs.next(), parentID: 0, isSampled: sink != nil)
        trace.parentID = TraceIDs.next()
        context.traceContext = trace
        guard trace.isSampled, let sink else { return W3CSpan(context: context) }
        let record = SpanRecord(
            name: operationName, kind: kind, trace: trace, parentID: parent?.parentID,
            began: instant().nanosecondsSinceEpoch)
        return W3CSpan(context: context, record: record, sink: sink)
    }

    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: "traceparent", from: carrier) else { return }
        context.traceContext = TraceContext(
            traceparent: parent, tracestate: extractor.extract(key: "tracestate", from: carrier))
    }

    func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.traceContext else { return }
        injector.inject(trace.traceparent, forKey: "traceparent", into: &carrier)
        if let state = trace.state { injector.inject(state, forKey: "tracestate", into: &carrier) }
    }

    func forceFlush() {}
}

/// A generator of ids that are never 0 and never repeat within a process. They need not be secret, only unlikely to equal another
/// process's.
private enum TraceIDs {
    private static let state = Atomic<UInt64>(.random(in: 0 ... .max))

    /// Returns the next id of SplitMix64, which maps each state to a different id. Any thread.
    static func next() -> UInt64 {
        var mixed = state.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).newValue
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return mixed == 0 ? next() : mixed
    }
}
