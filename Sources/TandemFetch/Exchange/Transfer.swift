internal import CCurl
internal import HTTPTypes
internal import Tandem

/// One request on the wire, and its answer as far as it has arrived. Every call is made on the hub's thread.
///
/// The wire puts in, the caller's steps take out. A step that finds too little says so, and what it waits for unparks the
/// caller. The first to end it wins: the wire, the caller, the upload or a limit on time. Only a coded body that turns out to be
/// malformed when it is read makes a failure of an answer that was complete.
final class Transfer {
    /// What the caller waits for.
    private enum Interest: Int { case head, piece, end }

    private enum Ending {
        case complete
        case failed(any Error)
    }

    let request: FetchRequest
    let url: TargetURL
    let origin: UpstreamOrigin
    let settings: FetchSettings
    /// Where the body of the request comes from when it is a stream.
    @exclusivity(unchecked) private(set) var upload: Upload?
    /// Where it goes; nil before it has begun and once it has ended.
    @exclusivity(unchecked) var wire: (any Wire)?
    /// Why the caller gave it up, for metrics and spans.
    @exclusivity(unchecked) var cause: (any Error)?
    @exclusivity(unchecked) var phases: TransferPhases

    private let parker: Parker
    private let observation: FetchObservation
    private let ticket: Ticket
    /// Whether the answer has no content because of what was asked.
    let isHead: Bool
    @exclusivity(unchecked) private(set) var head: FetchHead?
    @exclusivity(unchecked) private var body: BodyBuffer
    @exclusivity(unchecked) private var ending: Ending?
    @exclusivity(unchecked) private var interest = Interest.head
    /// Whether a byte of an answer has arrived.
    @exclusivity(unchecked) private(set) var isAnswered = false
    /// Whether a kept connection turned out to have ended before any byte of an answer.
    @exclusivity(unchecked) private(set) var metDeadConnection = false

    init(
        _ request: FetchRequest, to url: TargetURL, _ origin: UpstreamOrigin, _ settings: FetchSettings, deadline: FetchDeadline,
        capacity: Int, waking parker: Parker, _ ticket: Ticket, _ observation: FetchObservation
    ) {
        self.request = request
        self.url = url
        self.origin = origin
        self.settings = settings
        self.parker = parker
        self.ticket = ticket
        self.observation = observation
        isHead = request.method == .head
        body = BodyBuffer(limit: request.maxResponseBytes ?? settings.configuration.maxResponseBytes, capacity: capacity)
        phases = TransferPhases(settings, deadline)
        guard let content = request.body, case .stream(let producer) = content.content else { return }
        upload = Upload(length: content.contentLength, for: self)
        upload?.start(producer, on: origin.hub)
    }

    /// Starts the clock. Before any other call but `fail`.
    func begin(on wire: some Wire) {
        self.wire = wire
        phases.start(self, on: origin.pool)
    }

    /// Whether it may be sent again without harm, RFC 9110 9.2.2, if its body can be had again.
    var isIdempotent: Bool { request.method.isIdempotent || settings.configuration.retry.includesUnsafeMethods }

    /// Whether sending the request again does no harm, and its body can be had again.
    var mayRepeat: Bool {
        guard isIdempotent else { return false }
        return request.body?.isRepeatable ?? true || upload?.hasBegun == false
    }

    /// Takes the upload of a transfer that has ended. The caller waits until its producer has returned.
    func takeUpload() -> Upload? {
        defer { if ending != nil { upload = nil } }
        return ending == nil ? nil : upload
    }

    /// Whether it has ended, well or not.
    var hasEnded: Bool { ending != nil }

    // MARK: What the wire tells

    /// The first byte of an answer has arrived.
    func noteAnswer() { isAnswered = true }

    /// Takes the head of the final answer. Returns false when that ended the transfer.
    func receive(_ answer: consuming FetchHead) -> Bool {
        phases.enter(.receiving)
        isAnswered = true
        // An answer that refuses needs no more of the body.
        if answer.code >= 300, let upload {
            upload.close()
            phases.isHeldBack = false
        }
        if !isHead, answer.code != 304, let length = answer.contentLength, length > 0 {
            guard length <= body.limit else { return refuse(tooLarge) }
            body.expect(length)
        }
        if settings.configuration.decompresses, !isHead, request.headers[.range] == nil {
            guard prepareToDecode(&answer) else { return false }
        }
        answer.answersHead = isHead
        head = answer
        wake(.head)
        return true
    }

    private func prepareToDecode(_ answer: inout FetchHead) -> Bool {
        let codings = answer.contentCodings
        guard let name = codings.first else { return true }
        // Decoders one behind the other multiply what a few bytes unfold to.
        guard codings.count == 1 else {
            return refuse(FetchError(.transfer, "\(origin.text): the body has \(codings.count) codings; at most one is decoded"))
        }
        guard let coding = Inflater.Coding(name) else {
            return refuse(
                FetchError(
                    .transfer,
                    "\(origin.text): the body has the coding `\(name)`, but \(Inflater.accepted) are what is decoded; "
                        + "turn `decompresses` off to take it as it is"))
        }
        body.inflater = Inflater(coding)
        answer.isDecoded = true
        return true
    }

    /// The number of bytes of the body that the wire may read now; 0 while the reader has to come first.
    var room: Int { body.room }

    /// Bytes of the body so far, decoded.
    var received: Int { body.received }

    enum Reception {
        /// All of it was taken.
        case taken
        /// Nothing of it was taken: the reader has to come first.
        case full
        /// It ended the transfer.
        case refused
    }

    /// Takes bytes of the body.
    func receive(_ piece: UnsafeRawBufferPointer) -> Reception {
        switch body.take(piece) {
        case .taken:
            phases.madeProgress()
            wake(.piece)
            return .taken
        case .full: return .full
        case .overLimit: refuse(tooLarge)
        case .malformed: refuse(malformed)
        }
        return .refused
    }

    /// The answer is complete.
    func complete() { end(body.isCutOff ? .failed(cutOff) : .complete) }

    /// Ends it with this failure. Harmless when it has ended.
    func fail(_ error: any Error) { end(.failed(error)) }

    /// Ends it because a connection that had been kept has ended before any byte of an answer.
    func failOnDeadConnection(_ error: FetchError) {
        metDeadConnection = true
        fail(error)
    }

    /// Ends it with this failure, and gives the wire up. Always false.
    @discardableResult
    private func refuse(_ error: any Error) -> Bool {
        abandon(error)
        return false
    }

    private func end(_ ending: Ending) {
        guard self.ending == nil else { return }
        self.ending = ending
        wire = nil
        phases.stop()
        upload?.close()
        var failure: (any Error)?
        if case .failed(let error) = ending { failure = cause ?? error }
        observation.end(origin, head?.code, failure, isRecorded: !(metDeadConnection && mayRepeat))
        ticket.leave()
        wake(.end)
    }

    // MARK: What the caller and the upload ask

    /// Ends it before its time. Harmless when it has ended.
    func abandon(_ error: any Error) {
        guard ending == nil else { return }
        let wire = wire
        fail(error)
        wire?.abandon()
    }

    /// The upload has more to send, or its end.
    func resumeSending() {
        phases.madeProgress()
        wire?.resumeSending()
    }

    /// nil when it is not there yet. Throws what ended the transfer before it was.
    func headIfKnown() throws -> FetchHead? {
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

    /// What of the body has arrived; nil at its end. Throws what ended the transfer, after what arrived before that.
    func piece() throws -> Step<[UInt8]?> {
        while true {
            if body.count == 0 { unfold() }
            let piece = body.drain()
            // May bring more at once, and the end.
            if ending == nil, !body.holdsMore { wire?.resumeReceiving() }
            if !piece.isEmpty { return .done(piece) }
            if body.count > 0 || body.holdsMore { continue }
            switch ending {
            case .complete where body.isCutOff: throw cutOff
            case .complete: return .done(nil)
            case .failed(let error): throw error
            case nil:
                interest = .piece
                return .mustWait
            }
        }
    }

    /// What found no room when it arrived may turn out only now to be too much, or not to be what it says.
    private func unfold() {
        let error: FetchError
        switch body.unfold() {
        case .taken, .full: return
        case .overLimit: error = tooLarge
        case .malformed: error = malformed
        }
        abandon(error)
        ending = .failed(error)
    }

    /// Drops the body, read and unread.
    func discardBody() {
        body.discard()
        wire?.resumeReceiving()
    }

    /// The whole body, once it is over.
    func wholeBody() -> [UInt8] { body.drain() }

    /// Bytes that wait to be read.
    var buffered: Int { body.count }

    /// Wakes the caller, if it waits for this or for less.
    private func wake(_ event: Interest) {
        guard event.rawValue >= interest.rawValue else { return }
        parker.unpark()
    }

    // MARK: Where it may go

    private var addressPolicy: AddressPolicy { settings.configuration.addressPolicy(for: request) }

    /// Whether every address is permitted.
    var permitsAnyAddress: Bool { addressPolicy.isAny }

    /// The list that alone decides about addresses; nil when a policy decides too, or nothing does.
    var decidingList: AllowList? {
        request.addressPolicy == nil && settings.configuration.addressPolicy.isAny ? settings.configuration.allowList : nil
    }

    /// Whether the request may go to this address.
    func permits(_ address: SocketEndpoint) -> Bool {
        let policy = addressPolicy
        return policy.isAny || policy.permits(address, for: url.host)
    }

    /// The error for an address that is not permitted.
    func refused(_ address: SocketEndpoint?) -> FetchError {
        let text = address.map { "\($0.unmapped)" } ?? "an address that is neither IPv4 nor IPv6"
        if let address, let list = settings.configuration.allowList, !list.permits(address, for: origin.origin.host) {
            return FetchError(
                .refused,
                "\(origin.text): the address policy refuses \(text), where the name leads; if it may be a private address, list "
                    + "the name among the private hosts")
        }
        return FetchError(.refused, "\(origin.text): the address policy refuses \(text)")
    }

    // MARK: Why it failed

    /// Ends it when it has taken too long.
    func checkTime() {
        guard ending == nil, let error = phases.overdue(self) else { return }
        abandon(error)
    }

    private var tooLarge: FetchError {
        FetchError(
            .tooLarge,
            "\(origin.text): the response \(body.inflater == nil ? "is" : "decodes to") over \(body.limit) bytes; "
                + "raise `maxResponseBytes` if that is expected")
    }

    private var malformed: FetchError {
        FetchError(.transfer, "\(origin.text): the body is not coded as its `Content-Encoding` says")
    }

    private var cutOff: FetchError { FetchError(.transfer, "\(origin.text): the coded body is incomplete") }
}
