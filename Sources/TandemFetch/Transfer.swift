internal import CCurl
internal import HTTPTypes
internal import Tandem

/// One request on the wire, and its answer as far as it has arrived. Every call is made on the hub's thread.
///
/// libcurl's callbacks put in, the caller's steps take out. A step that finds too little says so, and what it waits for
/// unparks the caller.
final class Transfer {
    /// What the caller waits for.
    enum Interest: Int { case head, piece, end }

    enum Ending {
        case complete
        case failed(any Error)
    }

    let url: TargetURL
    let deadline: FetchDeadline
    /// Where a request's body of unknown length, or one too long to go with the head, comes from.
    private(set) var upload: Upload?
    /// Where the answer redirects to, absolute; known at the end.
    private(set) var redirectURL: String?
    /// How long the server wants us to wait, if it said so; known at the end.
    private(set) var retryAfter: Duration?
    /// The handle, while libcurl has it.
    private(set) var easy: EasyHandle?
    /// Why the caller gave it up, where it was not the upstream's doing.
    var cause: (any Error)?
    /// Called once, when it has ended.
    var onEnd: ((Transfer, (any Error)?) -> Void)?

    // Set exactly while `multi` lists this transfer, which it stops doing before it goes.
    private(set) unowned(unsafe) var multi: CurlMulti?
    private let parker: Parker
    let decodes: Bool
    let hasBody: Bool
    let addressPolicy: AddressPolicy
    let isIdempotent: Bool
    var phases: TransferPhases
    var headReader = ResponseHeadReader()
    var head: ResponseHead?
    var body: BodyBuffer
    var ending: Ending?
    var isPaused = false
    var isSendingPaused = false
    var interest = Interest.head
    // The error that a callback gave up with: what libcurl then reports says less.
    var refusal: (any Error)?
    var wasRefused = false
    var refusedAddress: SocketEndpoint?
    var socketsOpened: [CInt] = []
    var requestsSent = 0

    init(
        _ request: FetchRequest, to url: TargetURL, _ configuration: FetchConfiguration, deadline: FetchDeadline,
        capacity: Int, waking parker: Parker, on hub: Hub
    ) {
        self.url = url
        self.deadline = deadline
        self.parker = parker
        addressPolicy = configuration.addressPolicy(for: request)
        isIdempotent = request.method.isIdempotent || configuration.retry.includesUnsafeMethods
        hasBody = request.method != .head
        decodes = configuration.decompresses && hasBody && request.headers[.range] == nil
        body = BodyBuffer(limit: request.maxResponseBytes ?? configuration.maxResponseBytes, capacity: capacity)
        phases = TransferPhases(configuration, usesTLS: url.isSecure)
        guard let content = request.body, case .stream(let producer) = content.content else { return }
        upload = Upload(length: content.contentLength, for: self)
        upload?.start(producer, on: hub)
    }

    /// The status of the answer, when there is one.
    var status: HTTPResponse.Status? { head?.status }

    /// Ends it before its time. Harmless when it has ended.
    func abandon(_ error: any Error) { multi?.abandon(self, error) }

    // MARK: What the multi tells

    func attached(to multi: CurlMulti, _ easy: EasyHandle) {
        self.multi = multi
        self.easy = easy
        phases.start(on: multi.hub) { [unowned self] in checkPhase() }
    }

    /// It has ended, with this failure or well. Returns the handle.
    func detached(_ failure: (any Error)?) -> EasyHandle {
        let easy = easy!
        phases.stop()
        if failure == nil, head?.status.kind == .redirection { redirectURL = easy.string(CURLINFO_REDIRECT_URL) }
        retryAfter = easy.number(CURLINFO_RETRY_AFTER).map { .seconds($0) }
        ending = failure.map { .failed($0) } ?? .complete
        self.easy = nil
        multi = nil
        upload?.close()
        let ended = onEnd
        onEnd = nil
        ended?(self, failure == nil ? nil : cause ?? failure)
        wake(.end)
        return easy
    }

    /// It never came onto the wire.
    func discard() { upload?.close() }

    private func checkPhase() {
        guard let easy, let error = phases.overdue(easy, isHeldBack: isPaused || isSendingPaused, url.origin) else { return }
        abandon(error)
    }

    /// Wakes the caller, if it waits for this or for less.
    func wake(_ event: Interest) {
        guard event.rawValue >= interest.rawValue else { return }
        parker.unpark()
    }
}
