internal import HTTPTypes
internal import Tandem

/// A request and its answer, with the redirects between. Every call is made on the hub's thread.
final class Exchange {
    /// Where the caller parks.
    let parker = Parker(for: "fetch")

    private let hub: Hub
    private let configuration: FetchConfiguration
    private let deadline: FetchDeadline
    private let capacity: Int
    private var request: FetchRequest
    private var redirects = 0
    private var transfer: Transfer

    /// Sends the request. Throws `FetchError`, or `CancellationError` when the task is cancelled already.
    ///
    /// - Parameter capacity: Most bytes of body to hold while the caller does not read.
    init(_ request: FetchRequest, _ configuration: FetchConfiguration, on hub: Hub, capacity: Int) throws {
        try checkCancellation()
        try request.check()
        self.hub = hub
        self.configuration = configuration
        self.capacity = capacity
        self.request = request
        deadline = FetchDeadline(request.deadline, configuration)
        transfer = Transfer(
            request, to: try TargetURL(request.url), configuration, deadline: deadline, capacity: capacity, waking: parker)
        try send()
    }

    private func send() throws {
        let multi = try CurlMulti.on(hub)
        multi.limit(to: configuration)
        let easy = try multi.takeHandle()
        try easy.prepare(request, to: transfer.url, configuration, deadline: deadline)
        transfer.install(on: easy)
        try multi.attach(transfer, easy)
    }

    /// Ends the exchange before its time. Harmless when it is over.
    func abandon(_ error: FetchError? = nil) {
        transfer.abandon(error ?? FetchError(.closed, "\(transfer.url.origin): the response was closed before it was read"))
    }

    /// Bytes that wait to be read.
    var buffered: Int { transfer.buffered }

    // MARK: Steps

    /// The whole answer.
    func response() throws -> Step<FetchResponse> {
        while true {
            guard try transfer.isOver(), let head = try transfer.headIfKnown() else { return .mustWait }
            guard isRedirect(head) else {
                return .done(
                    FetchResponse(status: head.status, headers: head.headers, body: transfer.wholeBody(), url: transfer.url.text))
            }
            try follow(head.status)
        }
    }

    /// The head, and where it came from.
    func head() throws -> Step<(head: ResponseHead, url: String)> {
        while true {
            guard let head = try transfer.headIfKnown() else { return .mustWait }
            guard isRedirect(head) else { return .done((head, transfer.url.text)) }
            // To its end, so that the connection can be used again.
            transfer.discardBody()
            guard try transfer.isOver() else { return .mustWait }
            try follow(head.status)
        }
    }

    /// The next piece of the body; nil at its end.
    func piece() throws -> Step<[UInt8]?> { try transfer.piece() }

    // MARK: Redirects

    private func isRedirect(_ head: ResponseHead) -> Bool {
        guard request.followRedirects > 0, head.headers[.location] != nil else { return false }
        return [301, 302, 303, 307, 308].contains(head.status.code)
    }

    /// Tandem follows redirects itself, so that each is asked about and its origin compared.
    private func follow(_ status: HTTPResponse.Status) throws {
        let from = transfer.url.origin
        guard redirects < request.followRedirects else {
            throw FetchError(.tooManyRedirects, "\(from): more than \(request.followRedirects) redirects")
        }
        guard let next = transfer.redirectURL else {
            throw FetchError(.badURL, "\(from): redirects to what is not a URL")
        }
        let url = try TargetURL(next)
        if let check = request.checkRedirect, !check(next) {
            throw FetchError(.refused, "\(from): `checkRedirect` refused a redirect to \(url.origin)")
        }
        redirects += 1
        request.redirect(status: status, toOtherOrigin: url.origin != from)
        transfer = Transfer(request, to: url, configuration, deadline: deadline, capacity: capacity, waking: parker)
        try send()
    }
}
