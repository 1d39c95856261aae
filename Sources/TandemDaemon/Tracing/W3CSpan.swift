internal import Synchronization
internal import TandemHTTP
internal import Tracing

/// A span of `W3CTracer`. May be used from any thread.
final class W3CSpan: Span {
    /// A span that belongs to no trace.
    static let none = W3CSpan(context: .topLevel)

    let context: ServiceContext
    private let sink: (@Sendable (SpanRecord) -> Void)?
    /// The recorded data; nil if the span is not recorded, or has ended.
    private let record: Mutex<SpanRecord?>

    init(context: ServiceContext, record: SpanRecord? = nil, sink: (@Sendable (SpanRecord) -> Void)? = nil) {
        self.context = context
        self.sink = sink
        self.record = Mutex(record)
    }

    var isRecording: Bool { sink != nil && record.withLock { $0 != nil } }

    var operationName: String {
        get { record.withLock { $0?.name ?? "" } }
        set { record.withLock { $0?.name = newValue } }
    }

    var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes ?? [:] } }
        set { record.withLock { $0?.attributes = newValue } }
    }

    func setStatus(_ status: SpanStatus) { record.withLock { $0?.status = status } }

    func addEvent(_ event: SpanEvent) {
        record.withLock { record in
            guard let count = record?.events.count else { return }
            if count < SpanRecord.mostEvents { record?.events.append(event) } else { record?.droppedEvents += 1 }
        }
    }

    /// Adds a link, unless its target belongs to no trace.
    func addLink(_ link: SpanLink) {
        guard let target = link.context.traceContext else { return }
        record.withLock { record in
            guard let count = record?.links.count else { return }
            if count < SpanRecord.mostLinks {
                record?.links.append((target, link.attributes))
            } else {
                record?.droppedLinks += 1
            }
        }
    }

    func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = "\(type(of: error))"
        attributes["exception.message"] = "\(error)"
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    /// Ends the span. The first call passes the record to the sink.
    func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let sink else { return }
        var ended: SpanRecord?
        record.withLock { swap(&ended, &$0) }
        guard var ended else { return }
        ended.ended = instant().nanosecondsSinceEpoch
        sink(ended)
    }
}
