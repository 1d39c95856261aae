internal import CCurl
internal import HTTPTypes
internal import Tandem

/// One request on the wire, and the part of its response that has arrived. Used only on the hub's thread.
///
/// The wire adds what arrives, and the caller's steps remove it. If a step needs something that has not arrived, the arrival
/// unparks the caller. The transfer ends once: by the wire, the caller, the upload, or a time limit, whichever comes first.
/// There is one exception: a complete response can still fail while it is read, if its coded body turns out to be malformed or
/// too large.
final class Transfer {
    /// The event that the caller waits for.
    private enum Interest: Int { case head, piece, end }

    private enum Ending {
        case complete
        case failed(any Error)
    }

    let request: FetchRequest
    let url: TargetURL
    let origin: UpstreamOrigin
    let settings: FetchSettings
    /// The body of the request, if it is a stream.
    @exclusivity(unchecked) private(set) var upload: Upload?
    /// The wire that carries the transfer; nil before it begins and after it ends.
    @exclusivity(unchecked) var wire: (any Wire)?
    /// The reason why the caller gave the transfer up, for metrics and spans.
    @exclusivity(unchecked) var cause: (any Error)?
    @exclusivity(unchecked) var phases: TransferPhases

    private let parker: Parker
    private let observation: FetchObservation
    private let ticket: Ticket
    /// Whether the request is HEAD, so that its response has no content.
    let isHead: Bool
    @exclusivity(unchecked) private(set) var head: FetchHead?
    @exclusivity(unchecked) private var body: BodyBuffer
    @exclusivity(unchecked) private var ending: Ending?
    @exclusivity(unchecked) private var interest = Interest.head
    /// Whether a byte of a response has arrived.
    @exclusivity(unchecked) private(set) var isAnswered = false
    /// Whether the transfer failed because a kept connection ended before any byte of a response.
    @exclusivity(unchecked) private(set) var metDeadConnection = false

    init(
        _ request: consuming FetchRequest, to url: TargetURL, _ origin: UpstreamOrigin, _ settings: FetchSettings,
        deadline: FetchDeadline,
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

    /// Sets the wire, and starts the clock. Call it before any other function except `fail`.
    func begin(on wire: some Wire) {
        self.wire = wire
        phases.start(self, on: origin.pool)
    }

    /// Whether the policy allows sending the request more than once (RFC 9110 section 9.2.2), apart from its body.
    var isIdempotent: Bool { request.method.isIdempotent || settings.configuration.retry.includesUnsafeMethods }

    /// Whether the request may be sent again, and its body is repeatable or has not been started.
    var mayRepeat: Bool {
        guard isIdempotent else { return false }
        return request.body?.isRepeatable ?? true || upload?.hasBegun == false
    }

    /// Removes and returns the upload of a transfer that has ended. The caller has to wait until its producer has returned.
    func takeUpload() -> Upload? {
        defer { if ending != nil { upload = nil } }
        return ending == nil ? nil : upload
    }

    /// Whether the transfer has ended, with or without success.
    var hasEnded: Bool { ending != nil }

    // MARK: Calls of the wire

    /// Records that the first byte of a response has arrived.
    func noteAnswer() { isAnswered = true }

    /// Takes the head of the final response. Returns false if that ended the transfer.
    func receive(_ answer: consuming FetchHead) -> Bool {
        phases.enter(.receiving)
        isAnswered = true
        // A response that refuses or redirects the request needs no more of its body.
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
        // Several decoders in a row multiply the size of the output.
        guard codings.count == 1 else {
            return refuse(FetchError(.transfer, "\(origin.text): the body has \(codings.count) codings; at most one is decoded"))
        }
        guard let coding = Inflater.Coding(name) else {
            return refuse(
                FetchError(
                    .transfer,
                    "\(origin.text): the body has the coding `\(name)`, but only \(Inflater.accepted) can be decoded; "
                        + "turn `decompresses` off to get the coded body"))
        }
        body.inflater = Inflater(coding)
        answer.isDecoded = true
        return true
    }

    /// The number of bytes of the body that the wire may read now; 0 if the caller has to read first.
    var room: Int { body.room }

    /// The size of the body so far in bytes, after decoding.
    var received: Int { body.received }

    enum Reception {
        /// The transfer has taken all bytes.
        case taken
        /// The transfer has taken no byte: the caller has to read first.
        case full
        /// The bytes have ended the transfer.
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

    /// Ends the transfer, because the response is complete.
    func complete() { end(body.isCutOff ? .failed(cutOff) : .complete) }

    /// Ends the transfer with this failure. Does nothing if it has ended.
    func fail(_ error: any Error) { end(.failed(error)) }

    /// Ends the transfer, because a kept connection has ended before any byte of a response.
    func failOnDeadConnection(_ error: FetchError) {
        metDeadConnection = true
        fail(error)
    }

    /// Ends the transfer with this failure, and gives up the wire. Always returns false.
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

    // MARK: Calls of the caller and the upload

    /// Ends the transfer with this error, and gives up the wire. Does nothing if it has ended.
    func abandon(_ error: any Error) {
        guard ending == nil else { return }
        let wire = wire
        fail(error)
        wire?.abandon()
    }

    /// Continues to send, because the upload has more bytes or has ended.
    func resumeSending() {
        phases.madeProgress()
        wire?.resumeSending()
    }

    /// Returns the head, or nil if it has not arrived. Throws the failure that ended the transfer before its head.
    func headIfKnown() throws -> FetchHead? {
        if let head { return head }
        if case .failed(let error) = ending { throw error }
        interest = .head
        return nil
    }

    /// Returns whether the whole response has arrived. Throws the failure that ended the transfer.
    func isOver() throws -> Bool {
        switch ending {
        case .complete: return true
        case .failed(let error): throw error
        case nil:
            interest = .end
            return false
        }
    }

    /// Returns the bytes of the body that have arrived, or nil at its end. Throws the failure that ended the transfer, after
    /// the bytes that arrived before it.
    func piece() throws -> Step<[UInt8]?> {
        while true {
            if body.count == 0 { unfold() }
            let piece = body.drain()
            // This may receive more bytes at once, and the end.
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

    /// Decodes bytes for which there was no room when they arrived. They may turn out to be malformed, or too large when decoded.
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

    /// Drops the body that has arrived, and the rest as it arrives.
    func discardBody() {
        body.discard()
        wire?.resumeReceiving()
    }

    /// Removes and returns the whole body. Call it after the end of the transfer.
    func wholeBody() -> [UInt8] { body.drain() }

    /// The number of bytes that wait to be read.
    var buffered: Int { body.count }

    /// Wakes the caller if it waits for this event or an earlier one.
    private func wake(_ event: Interest) {
        guard event.rawValue >= interest.rawValue else { return }
        parker.unpark()
    }

    // MARK: Address policy

    private var addressPolicy: AddressPolicy { settings.configuration.addressPolicy(for: request) }

    /// Whether every address is permitted.
    var permitsAnyAddress: Bool { addressPolicy.isAny }

    /// The allow-list, if it is the only rule for addresses; nil if there is a policy too, or no rule.
    var decidingList: AllowList? {
        request.addressPolicy == nil && settings.configuration.addressPolicy.isAny ? settings.configuration.allowList : nil
    }

    /// Returns whether the request may go to this address.
    func permits(_ address: SocketEndpoint) -> Bool {
        let policy = addressPolicy
        return policy.isAny || policy.permits(address, for: url.host)
    }

    /// Returns the error for an address that is not permitted.
    func refused(_ address: SocketEndpoint?) -> FetchError {
        let text = address.map { "\($0.unmapped)" } ?? "an address that is neither IPv4 nor IPv6"
        if let address, let list = settings.configuration.allowList, !list.permits(address, for: origin.origin.host) {
            return FetchError(
                .refused,
                "\(origin.text): the address policy refuses \(text), to which the name resolves; if the name may have a private "
                    + "address, list it among the private hosts")
        }
        return FetchError(.refused, "\(origin.text): the address policy refuses \(text)")
    }

    // MARK: Failures

    /// Ends the transfer if it has taken too long.
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
