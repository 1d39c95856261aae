internal import CCurl
internal import Glibc
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
        case failed(FetchError)
    }

    let url: TargetURL
    let deadline: FetchDeadline
    /// Where the answer redirects to, absolute; known at the end.
    private(set) var redirectURL: String?
    /// The handle, while libcurl has it.
    private(set) var easy: EasyHandle?
    let checkConnect: (@Sendable (ResolvedAddress) -> Bool)?

    // Set exactly while `multi` lists this transfer, which it stops doing before it goes.
    private unowned(unsafe) var multi: CurlMulti?
    private let parker: Parker
    private let decodes: Bool
    private let hasBody: Bool
    private var headReader = ResponseHeadReader()
    private var head: ResponseHead?
    private var body: BodyBuffer
    private var ending: Ending?
    private var isPaused = false
    private var interest = Interest.head
    // The error that a callback gave up with: what libcurl then reports says less.
    private var refusal: FetchError?
    private var wasRefused = false
    private var refusedAddress: ResolvedAddress?
    private var socketsOpened = 0

    init(
        _ request: FetchRequest, to url: TargetURL, _ configuration: FetchConfiguration, deadline: FetchDeadline,
        capacity: Int, waking parker: Parker
    ) {
        self.url = url
        self.deadline = deadline
        self.parker = parker
        checkConnect = request.checkConnect
        hasBody = request.method != .head
        decodes = configuration.decompresses && hasBody
        body = BodyBuffer(limit: request.maxResponseBytes ?? configuration.maxResponseBytes, capacity: capacity)
    }

    // MARK: Steps of the caller

    /// nil when it is not there yet. Throws what ended the transfer before it was.
    func headIfKnown() throws(FetchError) -> ResponseHead? {
        if let head { return head }
        if case .failed(let error) = ending { throw error }
        interest = .head
        return nil
    }

    /// Whether the whole answer has arrived. Throws what ended the transfer before that.
    func isOver() throws(FetchError) -> Bool {
        switch ending {
        case .complete: return true
        case .failed(let error): throw error
        case nil:
            interest = .end
            return false
        }
    }

    /// What of the body has arrived; nil at its end. Throws what ended the transfer, after what arrived before that.
    func piece() throws(FetchError) -> Step<[UInt8]?> {
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

    /// Ends it before its time. Harmless when it has ended.
    func abandon(_ error: FetchError) { multi?.abandon(self, error) }

    private func resume() {
        guard isPaused, let multi, let easy else { return }
        isPaused = false
        multi.resume(self, easy)
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
        // 304 speaks of the length of what it does not send.
        if hasBody, answer.status.code != 304, let text = answer.headers[.contentLength], let length = Int(text), length > 0 {
            guard length <= body.limit else { return refuse(tooLarge) }
            body.expect(length)
        }
        var answer = answer
        if decodes { answer.forgetCoding() }
        head = answer
        wake(.head)
        return true
    }

    func receive(bodyPiece piece: UnsafeRawBufferPointer) -> Int {
        switch body.take(piece) {
        case .taken:
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

    func mayOpenSocket(to address: UnsafePointer<sockaddr>) -> Bool {
        guard checkConnect == nil || mayConnect(to: ResolvedAddress(address)) else { return false }
        socketsOpened += 1
        return true
    }

    func maySendRequest(to address: ResolvedAddress?) -> Bool { mayConnect(to: address) || refuse(refused) }

    private func mayConnect(to address: ResolvedAddress?) -> Bool {
        if let address, let checkConnect, checkConnect(address) { return true }
        refusedAddress = address
        wasRefused = true
        return false
    }

    /// Gives up, from inside a callback, which then tells libcurl so. Always false.
    @discardableResult
    func refuse(_ error: FetchError) -> Bool {
        if refusal == nil { refusal = error }
        return false
    }

    // MARK: What the multi tells

    func attached(to multi: CurlMulti, _ easy: EasyHandle) {
        self.multi = multi
        self.easy = easy
    }

    /// It has ended, with this failure or well. Returns the handle.
    func detached(_ failure: FetchError?) -> EasyHandle {
        let easy = easy!
        if failure == nil, head?.status.kind == .redirection { redirectURL = easy.string(CURLINFO_REDIRECT_URL) }
        ending = failure.map { .failed($0) } ?? .complete
        self.easy = nil
        multi = nil
        wake(.end)
        return easy
    }

    /// The caller's words for libcurl's result; nil when it is well.
    func failure(_ result: CURLcode) -> FetchError? {
        if let refusal { return refusal }
        switch result {
        case CURLE_OK:
            return head == nil ? FetchError(.transfer, "\(url.origin): the connection ended without an answer") : nil
        case CURLE_COULDNT_CONNECT where wasRefused && socketsOpened == 0:
            return refused
        case CURLE_OPERATION_TIMEDOUT:
            return deadline.exceeded(url.origin, connected: head != nil)
        default:
            return FetchError(result, fetching: url.origin, detail: easy?.errorDetail ?? "")
        }
    }

    private var refused: FetchError {
        let address = refusedAddress.map { "\($0)" } ?? "an address that is neither IPv4 nor IPv6"
        return FetchError(.refused, "\(url.origin): `checkConnect` refused \(address)")
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
