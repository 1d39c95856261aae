internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tracing

/// One request, for those who look on: its logger, its span, and when it began. On its hub, and lent again to the next
/// request, so that one which logs nothing costs no allocation.
final class RequestObservation {
    /// Writes to the server's log, and knows of no request.
    private let idle: RequestLogHandler
    @exclusivity(unchecked) private(set) var logger: Logger
    @exclusivity(unchecked) private(set) var scope: RequestScope
    @exclusivity(unchecked) var id = RequestID(number: 0)
    @exclusivity(unchecked) var route: Int?
    /// The answer's, for the log: 499 as long as there is none, as when nobody is left to answer.
    @exclusivity(unchecked) var status = 499
    @exclusivity(unchecked) var span: (any Span)?
    /// In nanoseconds of the monotonic clock; 0 when nobody asks how long it takes.
    @exclusivity(unchecked) var began: UInt64 = 0
    /// What the handler threw, or what cut the answer.
    @exclusivity(unchecked) var error: (any Error)?

    /// One for requests that are logged to `base`.
    init(_ base: Logger) {
        idle = RequestLogHandler(base.handler)
        logger = base
        scope = RequestScope()
    }

    /// A request begins, whose id and route are set.
    func begin(_ head: RequestHead, route: String?, peer: SocketAddress) {
        status = 499
        scope.begin(head, route: route, peer: peer, id: id)
        logger.handler = idle.within(scope)
    }

    /// Runs code as part of the request: `Logger.current` is the request's, and the span is the parent of those within.
    func bind(_ body: () async throws -> Void) async throws {
        guard let context = span?.context, !context.isEmpty else { return try await withLogger(logger) { _ in try await body() } }
        try await ServiceContext.withValue(context) { try await withLogger(logger) { _ in try await body() } }
    }

    /// The request has ended. A task that outlived it keeps its logger, which goes on naming that request.
    func end() {
        if spanOrErrorIsSet { letGo() }
        // A logger that somebody else has too is copied here, and the scope stays with theirs.
        logger.handler = idle
        if isKnownUniquelyReferenced(&scope) { scope.end() } else { scope = RequestScope() }
    }

    /// Found out without a copy.
    private var spanOrErrorIsSet: Bool {
        if case .none = span, case .none = error { false } else { true }
    }

    private func letGo() {
        // Taken out first: what goes away here must not go away inside an access.
        let (span, error) = (span, error)
        self.span = nil
        self.error = nil
        withExtendedLifetime((span, error)) {}
    }
}
