internal import Synchronization
internal import Tandem

/// The ended spans that wait for the exporter. Any thread.
///
/// Hubs add spans, and never wait for the exporter: the lock protects an append to an array whose memory is reserved, or a swap of
/// two arrays. Spans that the exporter has taken count towards the limit until it releases them, so the limit bounds the memory of
/// both. A full queue drops the newest span and counts it.
final class SpanQueue: Sendable {
    private struct State {
        var spans: [SpanRecord] = []
        /// Replaces `spans` when the exporter takes them, so that adding a span allocates nothing.
        var spare: [SpanRecord] = []
        /// The number of spans that the exporter has taken and not released.
        var taken = 0
        var dropped = 0
    }

    /// The maximum number of spans.
    let limit: Int
    /// Happens when a batch is full. The exporter resets it.
    let bell = Event<Void>()

    private let batch: Int
    private let state: Mutex<State>

    /// Creates an empty queue that rings its bell when it has `batch` spans.
    init(limit: Int, batch: Int) {
        self.limit = limit
        self.batch = min(batch, limit)
        var state = State()
        // Memory that no span has touched takes only address space.
        state.spans.reserveCapacity(limit)
        state.spare.reserveCapacity(limit)
        self.state = Mutex(state)
    }

    /// The number of spans, including those that the exporter has taken.
    var count: Int { state.withLock { $0.spans.count + $0.taken } }

    /// The number of spans that were dropped because the queue was full.
    var dropped: Int { state.withLock { $0.dropped } }

    /// Adds a span, or drops it if the queue is full.
    func add(_ span: SpanRecord) {
        let waiting = state.withLock { state in
            guard state.spans.count + state.taken < limit else {
                state.dropped += 1
                return 0
            }
            state.spans.append(span)
            return state.spans.count
        }
        // Once per batch.
        if waiting == batch { bell.send(()) }
    }

    /// Takes all spans, oldest first.
    func take() -> [SpanRecord] {
        state.withLock { state in
            var spans: [SpanRecord] = []
            swap(&spans, &state.spans)
            swap(&state.spans, &state.spare)
            state.taken += spans.count
            return spans
        }
    }

    /// Makes room for as many new spans, which `take` has returned before.
    func release(_ count: Int) { state.withLock { $0.taken -= count } }

    /// Destroys spans that `take` has returned, outside the lock, and keeps their memory for reuse. The caller must have no copy.
    func reuse(_ spans: inout [SpanRecord]) {
        spans.removeAll(keepingCapacity: true)
        state.withLock { swap(&$0.spare, &spans) }
    }
}
