internal import CTandem
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem
internal import Tracing

/// The logger, the span and the outcome so far of one request. An exchange reuses one observation for request after request.
/// Used only on its hub.
///
/// `logger` is bound as `Logger.current` once, for many requests, and reads `scope`, which changes from request to request.
/// A copy of the logger that outlives its request must continue to name that request. If `isKept` reports such a copy, the next
/// request needs another observation.
final class RequestObservation {
    let logger: Logger
    let scope: RequestScope
    /// References to the logger's storage that the binding itself holds.
    @exclusivity(unchecked) private var ownReferences: UInt = 0

    /// The status of the answer, for the log; 499 until there is an answer, for example when the client has gone.
    @exclusivity(unchecked) var status = 499
    @exclusivity(unchecked) var span: (any Span)? {
        didSet {
            isTraced = span != nil
            if isTraced { hasExtras = true }
        }
    }
    /// Whether the request has a span. Stored, because every request reads it, and reading an existential copies it.
    @exclusivity(unchecked) private(set) var isTraced = false
    /// The counter of requests under way that includes this one. The metrics own it, and no reload replaces the metrics.
    @exclusivity(unchecked) var active: Unretained<ServerMetrics.Active>?
    /// The time when the request began, in nanoseconds of the hub's clock.
    @exclusivity(unchecked) var began: UInt64 = 0
    /// The error that the handler threw, or that cut the answer.
    @exclusivity(unchecked) var error: (any Error)? {
        didSet {
            hasFailed = error != nil
            if hasFailed { hasExtras = true }
        }
    }
    @exclusivity(unchecked) private var hasFailed = false
    /// Whether the flight recorder has the beginning of the request.
    @exclusivity(unchecked) private var isRecorded = false
    /// Whether the request has a span, an error or a recorded beginning, which most requests do not.
    @exclusivity(unchecked) private var hasExtras = false

    /// Creates an observation for the requests of `peer`, which are logged to `server`.
    init(_ server: Logger, _ peer: Peer) {
        scope = RequestScope(peer)
        var logger = server
        logger.handler = RequestLogHandler(server.handler, scope)
        self.logger = logger
    }

    // MARK: The bound logger

    /// Records how many references the binding of `logger` holds. Called inside the binding, before its first request.
    func bind() {
        ownReferences = references
        isKept = false
    }

    /// Whether anything besides the binding held a copy of the logger when the request ended, such as a task that outlives it.
    @exclusivity(unchecked) private(set) var isKept = false

    /// Whether a `Logger` consists of a single reference, whose count reveals copies. swift-log does not guarantee that.
    private static var hasCount: Bool { MemoryLayout<Logger>.size == MemoryLayout<AnyObject>.size }

    /// The number of references to the one object that a `Logger` consists of.
    @inline(never)
    private var references: UInt {
        guard Self.hasCount else { return 0 }
        return unsafeBitCast(logger, to: Unmanaged<AnyObject>.self)._withUnsafeGuaranteedRef { _getRetainCount($0) }
    }

    // MARK: One request

    /// Begins the observation of a request.
    func begin(_ head: RequestHead, route: Unretained<Route>?, id: RequestID, now: UInt64) {
        status = 499
        began = now
        scope.begin(head, route: route, id: id)
    }

    /// Records the beginning of the request, and that its end is to be recorded, with the hub's flight recorder.
    @inline(never)
    func recordBeginning() {
        isRecorded = true
        hasExtras = true
        tandem_record_mark_of_job(TANDEM_EVENT_REQUEST, scope.route?.name.pointer, scope.id.number)
    }

    /// Ends the observation of the request. Returns its head unless something holds the logger; the holder keeps the scope too.
    func end() -> RequestHead? {
        if hasExtras { endExtras() }
        // Without a reference count the logger must be assumed to be kept, which costs a new exchange for each request.
        isKept = !Self.hasCount || references != ownReferences
        return isKept ? nil : scope.end()
    }

    private func endExtras() {
        if isRecorded { tandem_record_mark_of_job(TANDEM_EVENT_ANSWER, nil, UInt64(status)) }
        isRecorded = false
        hasExtras = false
        if isTraced || hasFailed { dropSpanAndError() }
    }

    @inline(never)
    private func dropSpanAndError() {
        // Moved out first: these objects must not be released during an access to the properties.
        let (span, error) = (span, error)
        self.span = nil
        self.error = nil
        withExtendedLifetime((span, error)) {}
    }
}
