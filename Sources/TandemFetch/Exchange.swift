internal import HTTPTypes
internal import Tandem

/// A request and its answer, with the waits for a turn, the retries and the redirects between. Every call is made on the hub's
/// thread, most of them in the caller's task.
final class Exchange {
    /// Where the caller parks.
    let parker = Parker(for: "fetch")

    private let hub: Hub
    // The hub keeps it, and drops it when nobody can come here any more: a stream may outlive its hub.
    private unowned(unsafe) let multi: CurlMulti
    private let configuration: FetchConfiguration
    private let deadline: FetchDeadline
    private let capacity: Int
    private var request: FetchRequest
    private var redirects = 0
    private var attempts = 0
    private var url: TargetURL
    // What it is at: a pause before a retry, then the line of its origin, then the wire.
    private var pause: Duration?
    private var queuedSince = Duration.zero
    private var ticket: Ticket?
    private var transfer: Transfer?
    // Ends a pause, and a wait in the line that takes too long.
    private var alarm: HubTimer?

    /// Sends the request, or queues for its turn. Throws `FetchError`, or `CancellationError` when the task is cancelled
    /// already.
    ///
    /// - Parameter capacity: Most bytes of body to hold while the caller does not read; `.max` for a whole response.
    init(_ request: FetchRequest, _ configuration: FetchConfiguration, on hub: Hub, capacity: Int) throws {
        try checkCancellation()
        try request.check()
        self.hub = hub
        self.configuration = configuration
        self.capacity = capacity
        self.request = request
        multi = try CurlMulti.on(hub)
        deadline = FetchDeadline(request.deadline, configuration)
        url = try TargetURL(configuration.canonicalTarget(of: request.url))
        try queue()
    }

    /// Ends the exchange before its time. Harmless when it is over.
    ///
    /// - Parameter cause: Why, for metrics and spans; whoever reads on gets `closed`.
    func abandon(because cause: (any Error)? = nil) {
        alarm = nil
        transfer?.cause = cause
        transfer?.abandon(FetchError(.closed, "\(url.origin): the response was closed before it was read"))
        ticket?.leave()
    }

    /// The producer of a body that nobody will send any more; nil when there is none. Whoever ends the exchange waits for it.
    var producerToWaitFor: Upload? {
        guard let transfer, transfer.hasEnded else { return nil }
        return transfer.upload
    }

    /// Bytes that wait to be read.
    var buffered: Int { transfer?.buffered ?? 0 }

    // MARK: Steps

    /// The whole answer.
    func response() throws -> Step<FetchResponse> {
        while let transfer = try transferOnTheWire() {
            do {
                guard try transfer.isOver(), let head = try transfer.headIfKnown() else { return .mustWait }
                if try goesOn(after: head, of: transfer) { continue }
                return .done(
                    FetchResponse(status: head.status, headers: head.headers, body: transfer.wholeBody(), url: url.text))
            } catch let error as FetchError {
                guard retries(after: error, of: transfer) else { throw error }
            }
        }
        return .mustWait
    }

    /// The head, and where it came from.
    func head() throws -> Step<(head: ResponseHead, url: String)> {
        while let transfer = try transferOnTheWire() {
            do {
                guard let head = try transfer.headIfKnown() else { return .mustWait }
                guard isRedirect(head) || isWorthARetry(head) else { return .done((head, url.text)) }
                // To its end, so that the connection can be used again.
                transfer.discardBody()
                guard try transfer.isOver() else { return .mustWait }
                guard try goesOn(after: head, of: transfer) else { return .done((head, url.text)) }
            } catch let error as FetchError {
                guard retries(after: error, of: transfer) else { throw error }
            }
        }
        return .mustWait
    }

    /// The next piece of the body; nil at its end.
    func piece() throws -> Step<[UInt8]?> {
        guard let transfer else { throw FetchError(.closed, "\(url.origin): the response was closed before it was read") }
        return try transfer.piece()
    }

    // MARK: From the line onto the wire

    /// Takes a place in the line of the origin, and goes onto the wire when there is no line.
    private func queue() throws {
        queuedSince = hub.now
        let ticket: Ticket
        do throws(FetchError) {
            ticket = try multi.gate(of: url.origin, configuration.retry).enter(configuration, now: hub.now) { [unowned self] in
                parker.unpark()
            }
        } catch {
            multi.metrics?.turnWasRefused()
            throw error
        }
        self.ticket = ticket
        if ticket.state == .inFlight { return try send() }
        multi.counts.queued += 1
        wake(after: configuration.queueTimeout)
    }

    /// nil while it pauses or queues.
    private func transferOnTheWire() throws -> Transfer? {
        if let transfer { return transfer }
        if let pause {
            guard hub.now >= pause else { return nil }
            self.pause = nil
            try queue()
            if let transfer { return transfer }
        }
        guard ticket?.state == .inFlight else {
            try checkQueue()
            return nil
        }
        multi.metrics?.turnCame(after: hub.now - queuedSince)
        try send()
        return transfer
    }

    private func checkQueue() throws {
        let limit = min(configuration.queueTimeout, deadline.allowed ?? configuration.queueTimeout)
        guard hub.now - queuedSince >= limit || deadline.deadline.remaining == .zero else { return }
        ticket?.leave()
        multi.metrics?.turnWasRefused()
        throw FetchError(
            .queueTimedOut,
            "\(url.origin): no turn within \(limit); \(configuration.maxExchangesPerOrigin) exchanges are in flight with it")
    }

    private func send() throws {
        alarm = nil
        attempts += 1
        let span = FetchSpan(request, url, resend: attempts - 1)
        let transfer = Transfer(
            request, to: url, configuration, deadline: deadline, capacity: capacity, waking: parker, on: hub)
        do {
            let easy = try multi.takeHandle()
            try easy.prepare(
                request, to: url, configuration, deadline: deadline, adding: span?.fields ?? [:])
            transfer.install(on: easy)
            observe(transfer, span)
            try multi.attach(transfer, easy)
        } catch {
            transfer.discard()
            ticket?.leave()
            span?.end(status: nil, error: error)
            throw error
        }
        multi.metrics?.requestBegan(url, request.method)
        self.transfer = transfer
    }

    /// What happens at the end of a transfer, whoever ends it.
    private func observe(_ transfer: Transfer, _ span: FetchSpan?) {
        let (began, method, url, metrics, ticket) = (hub.now, request.method, url, multi.metrics, ticket)
        let hub = hub
        transfer.onEnd = { transfer, error in
            metrics?.requestEnded(url, method, status: transfer.status, error: error, took: hub.now - began)
            span?.end(status: transfer.status, error: error)
            ticket?.leave()
        }
    }

    private func wake(after delay: Duration) {
        let alarm = HubTimer(on: hub) { [unowned self] in parker.unpark() }
        alarm.arm(min(.after(delay), deadline.deadline))
        self.alarm = alarm
    }

    // MARK: Once more, or elsewhere

    /// Whether the answer was not the last: then the next request is under way.
    private func goesOn(after head: ResponseHead, of transfer: Transfer) throws -> Bool {
        if isRedirect(head) {
            try follow(head.status, transfer)
            return true
        }
        guard isWorthARetry(head) else { return false }
        if let wanted = transfer.retryAfter, wanted > configuration.retry.maxRetryAfter { return false }
        return retries(after: transfer.retryAfter ?? .zero)
    }

    private func isWorthARetry(_ head: ResponseHead) -> Bool {
        configuration.retry.statuses.contains(head.status.code) && mayRetry
    }

    private var mayRetry: Bool {
        let policy = configuration.retry
        guard attempts < policy.attempts, request.method.isIdempotent || policy.includesUnsafeMethods else { return false }
        return request.body?.isRepeatable ?? true || transfer?.upload?.hasBegun == false
    }

    /// Whether this failure is tried again: no byte of an answer had come.
    private func retries(after error: FetchError, of transfer: Transfer) -> Bool {
        let causes: [FetchError.Code] = [.couldNotConnect, .connectTimedOut, .couldNotResolve, .transfer]
        guard causes.contains(error.code), transfer.isUnanswered, mayRetry else { return false }
        return retries(after: .zero)
    }

    /// Begins the pause before a retry, unless the deadline or the budget forbids one.
    private func retries(after wanted: Duration) -> Bool {
        let policy = configuration.retry
        let delay = max(wanted, policy.delay(before: attempts))
        if let left = deadline.deadline.remaining, left <= delay { return false }
        guard multi.gate(of: url.origin, policy).budget.spend(policy, now: hub.now) else { return false }
        multi.counts.retries += 1
        multi.metrics?.isRetried()
        transfer = nil
        ticket = nil
        pause = hub.now + delay
        wake(after: delay)
        return true
    }

    private func isRedirect(_ head: ResponseHead) -> Bool {
        guard request.followRedirects > 0, head.headers[.location] != nil else { return false }
        return [301, 302, 303, 307, 308].contains(head.status.code)
    }

    /// Tandem follows redirects itself, so that each is asked about and its origin compared.
    private func follow(_ status: HTTPResponse.Status, _ transfer: Transfer) throws {
        let from = url.origin
        guard redirects < request.followRedirects else {
            throw FetchError(.tooManyRedirects, "\(from): more than \(request.followRedirects) redirects")
        }
        guard let target = transfer.redirectURL else {
            throw FetchError(.badURL, "\(from): redirects to what is not a URL")
        }
        let next = try TargetURL(configuration.canonicalTarget(ofRedirect: target, from: from))
        if url.isSecure, !next.isSecure, !request.allowsInsecureRedirects {
            throw FetchError(.refused, "\(from): redirects to \(next.origin), which is not secure; see `allowsInsecureRedirects`")
        }
        if let check = request.checkRedirect, !check(target) {
            throw FetchError(.refused, "\(from): `checkRedirect` refused a redirect to \(next.origin)")
        }
        redirects += 1
        request.redirect(status: status, toOtherOrigin: next.origin != from)
        if transfer.upload?.hasBegun == true { try request.checkRepeatable(from) }
        url = next
        attempts = 0
        self.transfer = nil
        try queue()
    }
}
