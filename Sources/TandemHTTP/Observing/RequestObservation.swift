internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tracing

/// What is told about one request: its logger, its span, its outcome so far. On its hub. An exchange uses one for request
/// after request.
///
/// `logger` is bound as `Logger.current` once, for many requests, and reads `scope`, which changes from request to request.
/// A copy of the logger that outlives its request must go on naming that request: `isKept` tells, and then the next request
/// needs another observation.
final class RequestObservation {
    let logger: Logger
    let scope: RequestScope
    /// References to the logger's storage that the binding itself holds.
    @exclusivity(unchecked) private var ownReferences: UInt = 0

    /// The status of the answer, for the log: 499 until there is one, as when the client has gone.
    @exclusivity(unchecked) var status = 499
    @exclusivity(unchecked) var span: (any Span)? { didSet { isTraced = span != nil } }
    /// Whether the request has a span: asked of each request, and an existential cannot be looked at without a copy.
    @exclusivity(unchecked) private(set) var isTraced = false
    /// Its count among the requests under way. The metrics own it, and no reload replaces the metrics.
    @exclusivity(unchecked) var active: Unretained<ServerMetrics.Active>?
    /// In nanoseconds of the hub's clock.
    @exclusivity(unchecked) var began: UInt64 = 0
    /// What the handler threw, or what cut the answer.
    @exclusivity(unchecked) var error: (any Error)? { didSet { hasFailed = error != nil } }
    @exclusivity(unchecked) private var hasFailed = false

    /// One for the requests of `peer`, which are logged to `server`.
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

    /// Whether somebody held a copy of the logger beside the binding when the request ended: a task that outlives it, say.
    @exclusivity(unchecked) private(set) var isKept = false

    /// How many references there are to the one object that a `Logger` is.
    ///
    /// swift-log has no way to ask; a `Logger` of another layout counts as kept by somebody, which costs time only.
    @inline(never)
    private var references: UInt {
        guard MemoryLayout<Logger>.size == MemoryLayout<AnyObject>.size else { return 0 }
        return unsafeBitCast(logger, to: Unmanaged<AnyObject>.self)._withUnsafeGuaranteedRef { _getRetainCount($0) }
    }

    // MARK: One request

    /// A request begins.
    func begin(_ head: RequestHead, route: Unretained<Route>?, id: RequestID, now: UInt64) {
        status = 499
        began = now
        scope.begin(head, route: route, id: id)
    }

    /// The request has ended. Returns its head if nobody holds the logger; whoever does keeps the scope too.
    func end() -> RequestHead? {
        if isTraced || hasFailed { dropSpanAndError() }
        isKept = references != ownReferences
        return isKept ? nil : scope.end()
    }

    private func dropSpanAndError() {
        // Taken out first: what goes away here must not go away inside an access.
        let (span, error) = (span, error)
        self.span = nil
        self.error = nil
        withExtendedLifetime((span, error)) {}
    }
}
