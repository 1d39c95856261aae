internal import HTTPTypes
internal import Tandem

/// One fetch: a request and its response, with the waits for a turn, the retries and the redirects. Used only on the hub's
/// thread, mostly in the caller's task.
///
/// | phase | what ends it | next |
/// | --- | --- | --- |
/// | pausing | the time before a retry is over | queued |
/// | queued | a turn with the origin | onWire |
/// | | `queueTimeout`, the deadline | error |
/// | onWire | the answer; a redirect | the caller has it; queued |
/// | | a failure that is retried: after a pause; at once on a new connection | pausing; onWire |
/// | over | | |
final class Exchange {
    private enum Phase {
        case pausing(until: Duration)
        case queued(Ticket, since: Duration)
        case onWire(Transfer)
        case over
    }

    private let hub: Hub
    // Unowned: the hub keeps the pool until no code can call this exchange any more. A stream may outlive its hub.
    private unowned(unsafe) let pool: UpstreamPool
    private let settings: FetchSettings
    private let deadline: FetchDeadline
    private let capacity: Int
    /// Whether the caller runs in a shadow. The fetch then makes one attempt, and does not wait for a turn.
    private let isShadow: Bool
    /// The parker on which the caller waits.
    private let parker = Parker(for: "fetch")
    @exclusivity(unchecked) private var request: FetchRequest
    @exclusivity(unchecked) private var url: TargetURL
    @exclusivity(unchecked) private var origin: UpstreamOrigin
    @exclusivity(unchecked) private var phase = Phase.over
    @exclusivity(unchecked) private var redirects = 0
    @exclusivity(unchecked) private var attempts = 0
    // The uploads of earlier attempts, whose producers may still be unwinding.
    @exclusivity(unchecked) private var endedUploads: [Upload] = []
    // The timer that ends a pause, or a wait in the line that takes too long.
    @exclusivity(unchecked) private var alarm: HubTimer?

    /// Creates an exchange, and sends the request or waits in line for a turn. Throws `FetchError`, and `CancellationError` if
    /// the task is already cancelled.
    ///
    /// - Parameter capacity: The maximum number of bytes of the body to hold while the caller does not read; `.max` for a whole
    ///   response.
    init(_ request: FetchRequest, _ settings: FetchSettings, on hub: Hub, capacity: Int) throws {
        try checkCancellation()
        try request.check()
        self.hub = hub
        self.settings = settings
        self.capacity = capacity
        isShadow = Shadow.isActive
        self.request = request
        if isShadow { try self.request.becomeShadow() }
        pool = try settings.configuration.isObserved ? UpstreamPool.on(hub) : UpstreamPool.unobserved(on: hub)
        deadline = FetchDeadline(request.deadline, settings, on: hub)
        url = try TargetURL(settings.configuration.canonicalTarget(of: request.url))
        origin = pool.origin(of: url, settings.configuration.retry)
        if !isShadow, settings.configuration.retry.attempts > 1 {
            origin.gate.budget.earn(settings.configuration.retry, now: hub.now)
        }
        try queue()
    }

    private var configuration: FetchConfiguration { settings.configuration }
    private var maxRedirects: Int { request.followRedirects ?? configuration.maxRedirects }

    /// Gives the exchange up. Does nothing if it is over. A later read throws `closed`.
    ///
    /// - Parameter cause: The reason, for metrics and spans.
    func abandon(because cause: (any Error)? = nil) {
        alarm = nil
        switch phase {
        case .onWire(let transfer):
            guard !transfer.hasEnded else { return }
            transfer.cause = cause
            transfer.abandon(FetchError(.closed, "\(origin.text): the response was closed before it was read"))
        case .queued(let ticket, _):
            ticket.leave()
            phase = .over
        case .pausing: phase = .over
        case .over: break
        }
    }

    /// The number of bytes that wait to be read.
    var buffered: Int { transfer?.buffered ?? 0 }

    private var transfer: Transfer? { if case .onWire(let transfer) = phase { transfer } else { nil } }

    // MARK: Waiting

    // The two loops in which the callers of this module wait, one per style. If a caller leaves with an error, such as a
    // cancellation, the loop gives up the transfer and waits until the producer of the body has unwound.

    func run<Value>(_ step: (Exchange) throws -> Step<Value>) async throws -> Value {
        try checkUnused()
        // Not rethrown within `catch`, which the optimizer of Swift 6.3.1 cannot compile here: see docs/runtime-notes.md.
        var outcome: Result<Value, any Error>?
        do {
            while outcome == nil {
                if case .done(let value) = try step(self) { outcome = .success(value) } else { try await parker.park() }
            }
        } catch {
            abandon(because: error)
            outcome = .failure(error)
        }
        if transfer?.hasEnded ?? true { while let upload = takeEndedUpload() { await upload.waitUntilUnwound() } }
        return try outcome!.get()
    }

    @available(*, noasync)
    func run<Value>(_ file: StaticString, _ line: UInt, _ step: (Exchange) throws -> Step<Value>) throws -> Value {
        try checkUnused()
        do {
            while true {
                if case .done(let value) = try step(self) {
                    try waitForProducers()
                    return value
                }
                try parker.park(file: file, line: line)
            }
        } catch {
            abandon(because: error)
            try waitForProducers()
            throw error
        }
    }

    @available(*, noasync)
    private func waitForProducers() throws {
        guard transfer?.hasEnded ?? true else { return }
        while let upload = takeEndedUpload() { try awaiting { await upload.waitUntilUnwound() } }
    }

    /// Returns an upload that has ended and whose producer may still run, or nil if there is no other. The exchange waits for
    /// the producer of each request that it sent.
    private func takeEndedUpload() -> Upload? {
        if let earlier = endedUploads.popLast() { return earlier }
        guard let transfer, transfer.hasEnded else { return nil }
        return transfer.takeUpload()
    }

    private func checkUnused() throws(FetchError) {
        guard !parker.isOccupied else {
            throw FetchError(.busy, "another task or green thread already reads this response: one reader at a time")
        }
    }

    // MARK: Steps

    /// Returns the whole response when it has arrived.
    func response() throws -> Step<FetchResponse> {
        while let transfer = try transferOnTheWire() {
            do {
                guard try transfer.isOver(), let head = try transfer.headIfKnown() else { return .mustWait }
                if try goOn(after: head, of: transfer) { continue }
                return .done(FetchResponse(head, transfer.wholeBody(), url: url.text))
            } catch let error as FetchError {
                guard try retry(after: error, of: transfer) else { throw error }
            }
        }
        return .mustWait
    }

    /// Returns the head of the final response when it has arrived, and its URL.
    func head() throws -> Step<(head: FetchHead, url: String)> {
        while let transfer = try transferOnTheWire() {
            do {
                guard let head = try transfer.headIfKnown() else { return .mustWait }
                guard isRedirect(head) || isWorthARetry(head, transfer) else { return .done((head, url.text)) }
                // Read the body to its end, so that the connection can be used again.
                transfer.discardBody()
                guard try transfer.isOver() else { return .mustWait }
                guard try goOn(after: head, of: transfer) else { return .done((head, url.text)) }
            } catch let error as FetchError {
                guard try retry(after: error, of: transfer) else { throw error }
            }
        }
        return .mustWait
    }

    /// Returns the next piece of the body, or nil at its end.
    func piece() throws -> Step<[UInt8]?> {
        guard let transfer else { throw FetchError(.closed, "\(origin.text): the response was closed before it was read") }
        return try transfer.piece()
    }

    // MARK: Sending

    /// Takes a place in the line of the origin, and sends the request if it gets a turn at once.
    private func queue() throws {
        let now = hub.now
        // Looked up again, because the pool may have forgotten the origin.
        origin = pool.origin(of: url, configuration.retry)
        let ticket: Ticket
        do throws(FetchError) {
            ticket = try origin.gate.enter(settings.configuration, now: now, waking: parker)
        } catch {
            pool.metrics?.turnWasRefused()
            throw error
        }
        if ticket.state == .inFlight { return try send(ticket) }
        guard !isShadow else {
            ticket.leave()
            pool.metrics?.turnWasRefused()
            throw FetchError(.shadowed, "\(origin.text): no turn at once, and a shadow does not wait for one")
        }
        phase = .queued(ticket, since: now)
        pool.counts.queued += 1
        wake(after: configuration.queueTimeout)
    }

    /// Returns the current transfer, which it starts if its turn has come. Returns nil during a pause or in the line.
    private func transferOnTheWire() throws -> Transfer? {
        if case .pausing(let until) = phase {
            guard hub.now >= until else { return nil }
            try queue()
        }
        if case .queued(let ticket, let since) = phase {
            guard ticket.state == .inFlight else {
                try checkQueue(ticket, since)
                return nil
            }
            pool.metrics?.turnCame(after: hub.now - since)
            try send(ticket)
        }
        return transfer
    }

    private func checkQueue(_ ticket: Ticket, _ since: Duration) throws {
        let limit = min(configuration.queueTimeout, deadline.allowed ?? configuration.queueTimeout)
        guard hub.now - since >= limit || deadline.hasPassed(on: hub) else { return }
        ticket.leave()
        phase = .over
        pool.metrics?.turnWasRefused()
        throw FetchError(
            .queueTimedOut,
            "\(origin.text): no turn within \(limit): the limit of \(configuration.maxExchangesPerOrigin) exchanges in flight was reached"
        )
    }

    /// Sends the request, which has got its turn.
    ///
    /// - Parameter isFresh: Whether the request needs a new connection.
    private func send(_ ticket: Ticket, onFreshConnection isFresh: Bool = false) throws {
        alarm = nil
        attempts += 1
        guard !deadline.hasPassed(on: hub) else {
            ticket.leave()
            throw deadline.exceeded(origin.text)
        }
        var request = request
        let observation = FetchObservation(request, url, origin, resend: attempts - 1)
        observation.addFields(to: &request)
        let transfer = Transfer(
            request, to: url, origin, settings, deadline: deadline, capacity: capacity, waking: parker, ticket, observation)
        if let earlier = self.transfer?.takeUpload() { endedUploads.append(earlier) }
        phase = .onWire(transfer)
        do {
            try begin(transfer, onFreshConnection: isFresh)
        } catch {
            transfer.fail(error)
            throw error
        }
    }

    private func begin(_ transfer: Transfer, onFreshConnection isFresh: Bool) throws {
        if origin.maySpeakHTTP2(settings) { return try HTTP2Stream.begin(transfer, on: origin.session(settings)) }
        // An idle connection may lead to an address that this request may not use. A new look-up of the name may return another
        // one.
        guard !isFresh, let connection = origin.findIdle(for: settings), connection.isPermitted(to: transfer) else {
            return try Dial.begin(transfer)
        }
        connection.begin(transfer)
    }

    private func wake(after delay: Duration) {
        let alarm = HubTimer(on: hub) { [parker] in parker.unpark() }
        alarm.arm(min(.after(delay), deadline.deadline))
        self.alarm = alarm
    }

    // MARK: Retries and redirects

    /// Begins the next request if the response is a redirect to follow or allows a retry. Returns whether it did.
    private func goOn(after head: FetchHead, of transfer: Transfer) throws -> Bool {
        if isRedirect(head) {
            try follow(head, transfer)
            return true
        }
        guard isWorthARetry(head, transfer) else { return false }
        let wanted = head.retryAfter.flatMap(RetryPolicy.delay(asked:))
        if let wanted, wanted > configuration.retry.maxRetryAfter { return false }
        return pause(atLeast: wanted ?? .zero)
    }

    private func isWorthARetry(_ head: FetchHead, _ transfer: Transfer) -> Bool {
        !isShadow && head.code >= 400 && configuration.retry.attempts > attempts
            && configuration.retry.statuses.contains(head.code)
            && transfer.mayRepeat
    }

    /// Sends the request again after a failure that allows it, before any byte of a response. Returns whether it did.
    private func retry(after error: FetchError, of transfer: Transfer) throws -> Bool {
        guard transfer.mayRepeat else { return false }
        // The end of a kept connection does not mean that the upstream fails. The request goes out at once on a new connection,
        // and this does not count as a retry.
        if transfer.metDeadConnection, !deadline.hasPassed(on: hub) {
            attempts -= 1
            try sendAgainOnFreshConnection()
            return true
        }
        let causes: [FetchError.Code] = [.couldNotConnect, .connectTimedOut, .couldNotResolve, .transfer]
        guard !isShadow, attempts < configuration.retry.attempts, causes.contains(error.code), !transfer.isAnswered else {
            return false
        }
        return pause(atLeast: .zero)
    }

    private func sendAgainOnFreshConnection() throws {
        let ticket = origin.gate.reenter(waking: parker)
        try send(ticket, onFreshConnection: true)
    }

    /// Begins the pause before a retry, unless the deadline or the budget forbids one. Returns whether it did.
    private func pause(atLeast wanted: Duration) -> Bool {
        let policy = configuration.retry
        let delay = max(wanted, policy.delay(before: attempts))
        if let left = deadline.deadline.remaining, left <= delay { return false }
        guard origin.gate.budget.spend(policy, now: hub.now) else { return false }
        pool.counts.retries += 1
        pool.metrics?.requestIsRetried()
        if let upload = transfer?.takeUpload() { endedUploads.append(upload) }
        phase = .pausing(until: hub.now + delay)
        wake(after: delay)
        return true
    }

    private func isRedirect(_ head: FetchHead) -> Bool {
        guard maxRedirects > 0, head.code >= 300, head.code < 400 else { return false }
        return [301, 302, 303, 307, 308].contains(head.code) && head.location != nil
    }

    private func redirectTarget(_ head: FetchHead, _ from: String) throws(FetchError) -> TargetURL {
        let target: String
        do throws(FetchError) {
            target = try url.resolving(head.location ?? "")
        } catch {
            throw FetchError(.badURL, "\(from): redirects to a URL that cannot be fetched: \(error.message)")
        }
        return try TargetURL(configuration.canonicalTarget(ofRedirect: target, from: from))
    }

    private func follow(_ head: FetchHead, _ transfer: Transfer) throws {
        let from = origin.text
        guard redirects < maxRedirects else {
            throw FetchError(.tooManyRedirects, "\(from): more than \(maxRedirects) redirects")
        }
        let next = try redirectTarget(head, from)
        let target = pool.origin(of: next, configuration.retry)
        if url.isSecure, !next.isSecure, !request.allowsInsecureRedirects {
            throw FetchError(.refused, "\(from): redirects to \(target.text), which is not secure; see `allowsInsecureRedirects`")
        }
        if let check = request.checkRedirect, !check(next.text) {
            throw FetchError(.refused, "\(from): `checkRedirect` refused a redirect to \(target.text)")
        }
        redirects += 1
        request.redirect(status: head.code, toOtherOrigin: target.origin != origin.origin)
        if transfer.upload?.hasBegun == true { try request.checkRepeatable(from) }
        if let upload = transfer.takeUpload() { endedUploads.append(upload) }
        (url, origin) = (next, target)
        attempts = 0
        try queue()
    }
}
