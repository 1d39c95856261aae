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

    private enum Ending {
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
    private unowned(unsafe) var multi: CurlMulti?
    private let parker: Parker
    private let decodes: Bool
    private let hasBody: Bool
    private let addressPolicy: AddressPolicy
    private let isIdempotent: Bool
    private var phases: TransferPhases
    private var headReader = ResponseHeadReader()
    private var head: ResponseHead?
    private var body: BodyBuffer
    private var ending: Ending?
    private var isPaused = false
    private var isSendingPaused = false
    private var interest = Interest.head
    // The error that a callback gave up with: what libcurl then reports says less.
    private var refusal: (any Error)?
    private var wasRefused = false
    private var refusedAddress: ResolvedAddress?
    private var socketsOpened: [CInt] = []
    private var requestsSent = 0

    init(
        _ request: FetchRequest, to url: TargetURL, _ configuration: FetchConfiguration, deadline: FetchDeadline,
        capacity: Int, waking parker: Parker, on hub: Hub
    ) {
        self.url = url
        self.deadline = deadline
        self.parker = parker
        addressPolicy = request.addressPolicy ?? configuration.addressPolicy
        isIdempotent = request.method.isIdempotent || configuration.retry.includesUnsafeMethods
        hasBody = request.method != .head
        decodes = configuration.decompresses && hasBody
        body = BodyBuffer(limit: request.maxResponseBytes ?? configuration.maxResponseBytes, capacity: capacity)
        phases = TransferPhases(configuration, usesTLS: url.isSecure)
        guard let content = request.body, case .stream(let producer) = content.content else { return }
        upload = Upload(length: content.contentLength, for: self)
        upload?.start(producer, on: hub)
    }

    // MARK: Steps of the caller

    /// nil when it is not there yet. Throws what ended the transfer before it was.
    func headIfKnown() throws -> ResponseHead? {
        if let head { return head }
        if case .failed(let error) = ending { throw error }
        interest = .head
        return nil
    }

    /// Whether the whole answer has arrived. Throws what ended the transfer before that.
    func isOver() throws -> Bool {
        switch ending {
        case .complete: return true
        case .failed(let error): throw error
        case nil:
            interest = .end
            return false
        }
    }

    /// Whether libcurl has done with it, well or not.
    var hasEnded: Bool { ending != nil }

    /// What of the body has arrived; nil at its end. Throws what ended the transfer, after what arrived before that.
    func piece() throws -> Step<[UInt8]?> {
        if body.count > 0 {
            let piece = body.drain()
            resume()
            return .done(piece)
        }
        switch ending {
        case .complete: return .done(nil)
        case .failed(let error): throw error
        case nil:
            interest = .piece
            return .mustWait
        }
    }

    /// Drops the body, read and unread.
    func discardBody() {
        body.discards = true
        _ = body.drain()
        resume()
    }

    /// The whole body, once it is over.
    func wholeBody() -> [UInt8] { body.drain() }

    /// Bytes that wait to be read.
    var buffered: Int { body.count }

    /// Whether nothing of an answer has arrived, so that the server may not have seen the request at all.
    var isUnanswered: Bool { !headReader.hasBegun }

    /// Ends it before its time. Harmless when it has ended.
    func abandon(_ error: any Error) { multi?.abandon(self, error) }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        phases.madeProgress()
        applyPauses()
    }

    /// There is more to send, or the end.
    func resumeSending() {
        guard isSendingPaused else { return }
        isSendingPaused = false
        phases.madeProgress()
        applyPauses()
    }

    private func applyPauses() {
        guard let multi, let easy else { return }
        multi.setPauses((isPaused ? CURLPAUSE_RECV : 0) | (isSendingPaused ? CURLPAUSE_SEND : 0), of: self, easy)
    }

    // MARK: What libcurl tells

    func receive(headLine line: UnsafeRawBufferPointer) -> Bool {
        switch headReader.take(line) {
        case .incomplete: return true
        case .complete(let head): return receive(head)
        case .tooLarge:
            let limit = ResponseHeadReader.maxBytes
            return refuse(FetchError(.tooLarge, "\(url.origin): the head of the response is over \(limit) bytes"))
        case .malformed: return refuse(FetchError(.transfer, "\(url.origin): the answer has no valid status line"))
        }
    }

    private func receive(_ answer: ResponseHead) -> Bool {
        phases.enter(.receiving)
        // After an answer that refuses, libcurl sends no more, but it waits for a paused producer all the same.
        if answer.status.code >= 300, let upload {
            upload.close()
            if isSendingPaused { multi?.later { [weak self] in self?.resumeSending() } }
        }
        // 304 speaks of the length of what it does not send.
        if hasBody, answer.status.code != 304, let text = answer.headers[.contentLength], let length = Int(text), length > 0 {
            guard length <= body.limit else { return refuse(tooLarge) }
            body.expect(length)
        }
        var answer = answer
        if decodes {
            // Decoders one behind the other multiply what a few bytes unfold to.
            guard answer.codings <= 1 else {
                return refuse(
                    FetchError(.transfer, "\(url.origin): the body has \(answer.codings) codings; at most one is decoded"))
            }
            answer.forgetCoding()
        }
        head = answer
        wake(.head)
        return true
    }

    func receive(bodyPiece piece: UnsafeRawBufferPointer) -> Int {
        switch body.take(piece) {
        case .taken:
            phases.madeProgress()
            wake(.piece)
            return piece.count
        case .full:
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        case .overLimit:
            _ = refuse(tooLarge)
            return 0
        }
    }

    func send(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let upload else { return 0 }
        switch upload.move(into: buffer) {
        case .bytes(let count):
            phases.enter(.sending)
            return count
        case .end:
            phases.enter(.awaitingHead)
            return 0
        case .mustWait:
            isSendingPaused = true
            return Int(CURL_READFUNC_PAUSE)
        }
    }

    /// libcurl wants to send the body from its beginning once more.
    func mayRewind() -> Bool { upload.map { !$0.hasBegun } ?? false }

    func mayOpenSocket(to address: UnsafePointer<sockaddr>) -> Bool {
        addressPolicy.isAny || mayConnect(to: ResolvedAddress(address))
    }

    func opened(_ socket: CInt) {
        socketsOpened.append(socket)
        multi?.opened(socket)
    }

    /// libcurl wants to know when this socket becomes readable, and nothing else of it.
    func listens(to socket: CInt) {
        if socketsOpened.contains(socket) { phases.listens() }
    }

    /// Asked when the connection stands, before the request goes out, also on a connection that is open already.
    func maySendRequest(to address: UnsafePointer<CChar>?, _ port: CInt) -> Bool {
        if !addressPolicy.isAny {
            let address = address.flatMap { ResolvedAddress(String(cString: $0), port: Int(port)) }
            guard mayConnect(to: address) else { return refuse(refused) }
        }
        requestsSent += 1
        // libcurl itself sends again when a connection that it kept has died: the server may have acted on the first. And
        // after 417, with the same field.
        if head?.status.code == 417 {
            return refuse(
                FetchError(.badRequest, "\(url.origin): answers 417: it knows no `Expect`; leave `expectsContinue` off"))
        }
        guard requestsSent == 1 || isIdempotent else {
            return refuse(
                FetchError(.transfer, "\(url.origin): the connection ended without an answer; the request may have been acted on")
            )
        }
        phases.enter(upload == nil ? .awaitingHead : .sending)
        return true
    }

    private func mayConnect(to address: ResolvedAddress?) -> Bool {
        if let address, addressPolicy.permits(address, for: url.host) { return true }
        refusedAddress = address
        wasRefused = true
        return false
    }

    /// Gives up, from inside a callback, which then tells libcurl so. Always false.
    @discardableResult
    func refuse(_ error: any Error) -> Bool {
        if refusal == nil { refusal = error }
        return false
    }

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

    /// The caller's words for libcurl's result; nil when it is well.
    func failure(_ result: CURLcode) -> (any Error)? {
        if let refusal { return refusal }
        switch result {
        case CURLE_OK:
            return head == nil ? FetchError(.transfer, "\(url.origin): the connection ended without an answer") : nil
        case CURLE_COULDNT_CONNECT where wasRefused && socketsOpened.isEmpty:
            return refused
        case CURLE_OPERATION_TIMEDOUT:
            return deadline.exceeded(url.origin, connected: requestsSent > 0)
        default:
            return FetchError(result, fetching: url.origin, detail: easy?.errorDetail ?? "")
        }
    }

    /// The status of the answer, when there is one.
    var status: HTTPResponse.Status? { head?.status }

    private var refused: FetchError {
        let address = refusedAddress.map { "\($0)" } ?? "an address that is neither IPv4 nor IPv6"
        return FetchError(.refused, "\(url.origin): the address policy refuses \(address)")
    }

    private var tooLarge: FetchError {
        FetchError(
            .tooLarge, "\(url.origin): the response is over \(body.limit) bytes; raise `maxResponseBytes` if that is expected",
            curlCode: Int32(CURLE_FILESIZE_EXCEEDED.rawValue))
    }

    private func wake(_ event: Interest) {
        guard event.rawValue >= interest.rawValue else { return }
        parker.unpark()
    }
}
