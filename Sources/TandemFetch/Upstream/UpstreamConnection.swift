internal import Glibc
internal import Tandem

/// A connection of HTTP/1.1 to an upstream, for one request at a time. libcurl has made it, TLS included; what is sent and
/// received on it is framed here, so that nothing on it can be taken for the answer to another request.
///
/// | state | bytes arrive | the peer ends | a write fails |
/// | --- | --- | --- | --- |
/// | resting | closed, unless TLS's own | closed | |
/// | busy, no byte of an answer | -> head | fails; a request that may be repeated gets a new connection | the answer may still come |
/// | busy, in the answer | -> head, body | fails; completes an answer that ends with the connection | the answer goes on |
/// | closed | | | |
///
/// After an answer the connection rests only if the request has been sent whole, the answer lets it be used again, and not one
/// byte has come behind it.
final class UpstreamConnection: Wire {
    private enum State {
        case resting
        case busy(Transfer)
        case closed
    }

    let origin: UpstreamOrigin
    /// Where it leads.
    let endpoint: SocketEndpoint
    /// The time on the hub's clock at which the connection became idle.
    @exclusivity(unchecked) private(set) var idleSince: UInt64 = 0
    /// Where the pool keeps it while it carries a transfer.
    @exclusivity(unchecked) var place = 0
    /// The time on the hub's clock at which the pool closes the connection if it is still idle.
    @exclusivity(unchecked) private(set) var expires: UInt64 = 0

    private let socket: UpstreamSocket
    private let tls: TLSIdentity?
    private let opened: UInt64
    @exclusivity(unchecked) private var state = State.resting
    @exclusivity(unchecked) private var receiving: ReceivedAnswer
    @exclusivity(unchecked) private var sending = SentRequest()
    // Sends a body that was announced by `Expect` when the upstream does not ask for it within a second.
    @exclusivity(unchecked) private var patience: HubTimer?
    // The list that has permitted `endpoint`.
    @exclusivity(unchecked) private var permitting: AllowList?
    @exclusivity(unchecked) private var carriedRequests = 0
    @exclusivity(unchecked) private var isReadingPaused = false
    // Goes on in the next turn: a fast upstream does not hold the hub.
    @exclusivity(unchecked) private var continuation: TurnEnd!
    @exclusivity(unchecked) private var onReadable: (() -> Void)!
    @exclusivity(unchecked) private var onWritable: (() -> Void)!

    /// Bytes that are read, or sent, before others have their turn.
    private static let share = 256 * 1024

    /// A connection over `socket`, with the identity that TLS was established with, if it was.
    init(_ socket: UpstreamSocket, to endpoint: SocketEndpoint, _ origin: UpstreamOrigin, _ tls: TLSIdentity?) {
        self.socket = socket
        self.origin = origin
        self.endpoint = endpoint
        self.tls = tls
        opened = origin.hub.turnTime
        receiving = ReceivedAnswer()
        onReadable = { [unowned self] in receiveAvailable() }
        onWritable = { [unowned self] in sendAvailable() }
        continuation = TurnEnd(on: origin.hub) { [unowned self] in goOn() }
        socket.onPeerChange { [unowned self] in peerChanged($0) }
    }

    deinit {
        guard case .closed = state else { preconditionFailure("a connection to an upstream was dropped without close()") }
    }

    // MARK: Rest

    /// Whether the rules of this transfer permit where the connection leads.
    func isPermitted(to transfer: Transfer) -> Bool {
        let list = transfer.decidingList
        // The origin is the same, and so is the address: a list that has permitted it does so again.
        if let list, let permitting, permitting.isIdentical(to: list) { return true }
        guard transfer.permits(endpoint) else { return false }
        permitting = list
        return true
    }

    /// Whether clients with these settings may use it.
    func suits(_ settings: FetchSettings) -> Bool { tls.map { $0 == settings.tls } ?? true }

    /// Whether the connection is within its idle timeout and its greatest age.
    func isYoung(_ settings: FetchSettings, _ now: UInt64) -> Bool { now < expires && now - opened < settings.maxAge }

    /// Whether nothing has arrived since the last answer, except TLS's own messages.
    func checkQuiet() -> Bool { socket.checkQuiet(origin.pool.scratch) }

    private func rest(_ settings: FetchSettings) {
        state = .resting
        idleSince = origin.hub.turnTime
        expires = min(idleSince.advanced(by: settings.keepAlive), opened.advanced(by: settings.maxAge))
        sending = SentRequest()
        patience = nil
        origin.add(self, settings)
        // An idle connection is closed at once when the peer ends it, or sends anything.
        socket.whenReadable(onReadable)
    }

    // MARK: A request

    /// Sends the request of `transfer`, and waits for its answer.
    func begin(_ transfer: Transfer) {
        let pool = origin.pool
        if carriedRequests > 0 {
            origin.remove(self)
            pool.counts.reused += 1
        }
        state = .busy(transfer)
        carriedRequests += 1
        pool.add(self)
        isReadingPaused = false
        receiving.begin(isHead: transfer.isHead)
        transfer.begin(on: self)
        transfer.phases.enter(.sending)
        pool.output.removeAll(keepingCapacity: true)
        sending = SentRequest(transfer, &pool.output)
        let written = pool.output.withUnsafeBytes { write($0) }
        if written < pool.output.count { sending.hold(pool.output[written...]) }
        pool.output.removeAll(keepingCapacity: true)
        sendAvailable()
        guard case .busy = state else { return }
        if sending.awaitsContinue { awaitContinue() }
        socket.whenReadable(onReadable)
    }

    private func awaitContinue() {
        let timer = HubTimer(on: origin.hub) { [unowned self] in
            guard case .busy = state else { return }
            sending.mayContinue()
            sendAvailable()
        }
        timer.arm(.after(.seconds(1)))
        patience = timer
    }

    func resumeReceiving() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        if case .busy(let transfer) = state {
            transfer.phases.isHeldBack = sending.waitsForProducer && transfer.upload?.isOpen == true
            transfer.phases.madeProgress()
        }
        receiveAvailable()
    }

    func resumeSending() {
        guard case .busy(let transfer) = state else { return }
        sending.waitsForProducer = false
        transfer.phases.isHeldBack = isReadingPaused
        sendAvailable()
    }

    func abandon() { close() }

    /// Closes it, also while it rests. Harmless when it is closed.
    func close() {
        switch state {
        case .closed: return
        case .resting: origin.remove(self)
        case .busy: origin.pool.remove(self)
        }
        release()
    }

    private func release() {
        state = .closed
        patience = nil
        continuation.disarm()
        socket.close()
    }

    /// Fails the transfer and closes the connection, because the hub has stopped.
    func hubStopped(_ error: FetchError) {
        if case .busy(let transfer) = state { transfer.fail(error) }
        close()
    }

    /// Goes on after a turn in which others had theirs.
    private func goOn() {
        receiveAvailable()
        sendAvailable()
    }

    // MARK: Sending

    private func sendAvailable() {
        guard case .busy(let transfer) = state else { return }
        var budget = UpstreamConnection.share
        while true {
            while let piece = sending.held {
                guard budget > 0 else { return continuation.arm() }
                let written = piece.prefix(UpstreamConnection.share).withUnsafeBytes { write($0) }
                guard written > 0 else { return }
                transfer.phases.madeProgress()
                sending.sent(written)
                budget -= written
            }
            guard sending.isInBody, let upload = transfer.upload else { break }
            guard budget > 0 else { return continuation.arm() }
            switch sending.take(from: upload, into: origin.pool.scratch) {
            case .bytes(let bytes):
                if transfer.head == nil { transfer.phases.enter(.sending) }
                let written = write(UnsafeRawBufferPointer(bytes))
                budget -= written
                if written < bytes.count { sending.hold(bytes[written...]) }
            case .mustWait:
                transfer.phases.isHeldBack = true
                return
            case .end: continue
            }
        }
        if sending.isOver, transfer.head == nil, transfer.phases.phase == .sending { transfer.phases.enter(.awaitingHead) }
        if sending.awaitsContinue { transfer.phases.enter(.awaitingHead) }
    }

    /// Writes what the kernel takes now, and waits for room when it takes nothing. A write that fails is not the end: the
    /// upstream may have answered before it closed.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !bytes.isEmpty else { return 0 }
        switch socket.write(bytes) {
        case .bytes(let count): return count
        case .nothing: socket.whenWritable(onWritable)
        case .failed:
            sending.abort()
            if case .busy(let transfer) = state { transfer.upload?.close() }
            // Reads what there is of an answer.
            continuation.arm()
        }
        return 0
    }

    // MARK: Receiving

    private func receiveAvailable() {
        guard case .busy(let transfer) = state else { return restEnded() }
        guard !isReadingPaused else { return }
        var budget = UpstreamConnection.share
        while true {
            guard receiving.canRead(transfer) else { return pauseReading(transfer) }
            if receiving.holdsBytes {
                take(UnsafeRawBufferPointer(start: nil, count: 0), transfer)
                guard case .busy = state else { return }
                continue
            }
            let most = min(origin.pool.scratch.count, receiving.isInBody ? transfer.room : .max)
            let buffer = UnsafeMutableRawBufferPointer(rebasing: origin.pool.scratch[..<most])
            switch socket.read(into: buffer) {
            case .bytes(let count):
                transfer.noteAnswer()
                let before = transfer.received
                take(UnsafeRawBufferPointer(rebasing: buffer[..<count]), transfer)
                guard case .busy = state else { return }
                // What was decoded counts: it can be a thousand times what was read.
                budget -= max(count, transfer.received - before)
                if budget <= 0 { return continuation.arm() }
            case .nothing where sending.isBroken && tls != nil:
                // After a write has failed, nothing more comes through TLS.
                return fail(transfer, "was lost")
            case .nothing: return socket.whenReadable(onReadable)
            case .end(let isOrderly): return peerEnded(transfer, isOrderly: isOrderly)
            case .failed(let what, let errno): return fail(transfer, what, errno: errno)
            }
        }
    }

    private func pauseReading(_ transfer: Transfer) {
        isReadingPaused = true
        transfer.phases.isHeldBack = true
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) {
        switch receiving.take(bytes, for: transfer) {
        case .more: break
        case .mayContinue:
            sending.mayContinue()
            sendAvailable()
            // What follows the interim answer.
            if case .busy = state, receiving.holdsBytes { take(UnsafeRawBufferPointer(start: nil, count: 0), transfer) }
        case .full: pauseReading(transfer)
        case .complete(let isReusable): finish(transfer, isReusable: isReusable)
        case .refused: close()
        case .failed(let error):
            transfer.fail(error)
            close()
        case .isStale:
            transfer.failOnDeadConnection(unanswered(transfer))
            close()
        }
    }

    private func finish(_ transfer: Transfer, isReusable: Bool) {
        let isKept = isReusable && sending.isOver && socket.peer == [] && transfer.settings.keepsConnections
        origin.pool.remove(self)
        if isKept {
            rest(transfer.settings)
        } else {
            state = .closed
            release()
        }
        transfer.complete()
    }

    private func peerEnded(_ transfer: Transfer, isOrderly: Bool) {
        if receiving.endsWithConnection, isOrderly {
            finish(transfer, isReusable: false)
            return
        }
        let cut = tls == nil ? "was reset, not ended" : "ended without TLS's close_notify"
        fail(transfer, receiving.endsWithConnection ? "\(cut): the answer may be cut off" : "ended")
    }

    /// The connection is gone before the answer was complete.
    private func fail(_ transfer: Transfer, _ what: String, errno: CInt = 0) {
        if !transfer.isAnswered {
            if carriedRequests > 1 {
                transfer.failOnDeadConnection(unanswered(transfer, what))
            } else {
                transfer.fail(unanswered(transfer, what))
            }
        } else {
            transfer.fail(
                FetchError(.transfer, "\(origin.text): the connection \(what) in the middle of the answer", errno: errno))
        }
        close()
    }

    private func unanswered(_ transfer: Transfer, _ what: String = "ended") -> FetchError {
        let remedy =
            if !transfer.isIdempotent {
                "; the request may have been acted on, so it is not sent again"
            } else if !transfer.mayRepeat {
                "; the request is not sent again, because its body cannot be produced again"
            } else {
                ""
            }
        return FetchError(.transfer, "\(origin.text): the connection \(what) without an answer\(remedy)")
    }

    /// A byte has arrived, or the peer has ended, while the connection rests.
    private func restEnded() {
        guard case .resting = state else { return }
        if checkQuiet() { return socket.whenReadable(onReadable) }
        origin.pool.counts.discarded += 1
        close()
    }

    private func peerChanged(_ peer: Descriptor.PeerState) {
        // Nobody reads: without this a reset would be noticed only by the next read.
        guard peer.contains(.gone), isReadingPaused, case .busy(let transfer) = state else { return }
        fail(transfer, "was reset", errno: ECONNRESET)
    }
}
