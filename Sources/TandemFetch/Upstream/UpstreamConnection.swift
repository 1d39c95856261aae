internal import Glibc
internal import Tandem

/// An HTTP/1.1 connection to an upstream, for one request at a time. libcurl makes the connection, including TLS. This class
/// frames requests and responses itself, so that no byte can be taken for the response to another request.
///
/// | state | bytes arrive | the peer ends | a write fails |
/// | --- | --- | --- | --- |
/// | resting | close, except for TLS's own messages | close | |
/// | busy, no byte of a response | read the head | fail; a repeatable request gets a new connection | wait for a response |
/// | busy, in the response | read head and body | fail; complete a response that ends with the connection | continue to read |
/// | closed | | | |
///
/// After a response the connection becomes idle (`resting`) only if the whole request has been sent, the response allows
/// another one, and no byte has followed the response.
final class UpstreamConnection: Wire {
    private enum State {
        case resting
        case busy(Transfer)
        case closed
    }

    let origin: UpstreamOrigin
    /// The remote endpoint.
    let endpoint: SocketEndpoint
    /// The time on the hub's clock at which the connection became idle.
    @exclusivity(unchecked) private(set) var idleSince: UInt64 = 0
    /// The index in the pool's list while the connection carries a transfer.
    @exclusivity(unchecked) var place = 0
    /// The time on the hub's clock at which the pool closes the connection if it is still idle.
    @exclusivity(unchecked) private(set) var expires: UInt64 = 0

    private let socket: UpstreamSocket
    private let tls: TLSIdentity?
    private let opened: UInt64
    @exclusivity(unchecked) private var state = State.resting
    @exclusivity(unchecked) private var receiving: ReceivedAnswer
    @exclusivity(unchecked) private var sending = SentRequest()
    // The timer after which a body announced with `Expect` is sent, if the upstream has not asked for it within one second.
    @exclusivity(unchecked) private var patience: HubTimer?
    // The allow-list that last permitted `endpoint`.
    @exclusivity(unchecked) private var permitting: AllowList?
    @exclusivity(unchecked) private var carriedRequests = 0
    @exclusivity(unchecked) private var isReadingPaused = false
    // Continues in the next turn, so that a fast upstream does not hold the hub.
    @exclusivity(unchecked) private var continuation: TurnEnd!
    @exclusivity(unchecked) private var onReadable: (() -> Void)!
    @exclusivity(unchecked) private var onWritable: (() -> Void)!

    /// The number of bytes that are read, or sent, in one turn of the hub.
    private static let share = 256 * 1024

    /// Creates a connection over `socket`. `tls` has the settings with which TLS was established; nil without TLS.
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

    // MARK: Idle connections

    /// Returns whether the rules of this transfer permit the connection's endpoint.
    func isPermitted(to transfer: Transfer) -> Bool {
        let list = transfer.decidingList
        // The list has permitted the same origin and address before.
        if let list, let permitting, permitting.isIdentical(to: list) { return true }
        guard transfer.permits(endpoint) else { return false }
        permitting = list
        return true
    }

    /// Returns whether a client with these settings may use the connection.
    func suits(_ settings: FetchSettings) -> Bool { tls.map { $0 == settings.tls } ?? true }

    /// Returns whether the connection is within its idle timeout and its maximum age.
    func isYoung(_ settings: FetchSettings, _ now: UInt64) -> Bool { now < expires && now - opened < settings.maxAge }

    /// Returns whether nothing has arrived since the last response, except TLS's own messages.
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

    // MARK: Requests

    /// Sends the request of `transfer`, and prepares to receive its response.
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

    /// Closes the connection, in any state. A second call does nothing.
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

    /// Continues to receive and send, after other jobs have had their turn.
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

    /// Writes as many bytes as the kernel takes, and returns their number. If it takes none, calls `sendAvailable` later, when
    /// there is room. A failed write does not end the transfer, because the upstream may have answered before it closed.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !bytes.isEmpty else { return 0 }
        switch socket.write(bytes) {
        case .bytes(let count): return count
        case .nothing: socket.whenWritable(onWritable)
        case .failed:
            sending.abort()
            if case .busy(let transfer) = state { transfer.upload?.close() }
            // Read the response, if there is one.
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
                // Decoded bytes count, because they can be a thousand times as many as the received ones.
                budget -= max(count, transfer.received - before)
                if budget <= 0 { return continuation.arm() }
            case .nothing where sending.isBroken && tls != nil:
                // After a failed write, TLS delivers no more bytes.
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
            // Take the bytes that followed the interim response.
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
        let cut = tls == nil ? "was reset" : "ended without TLS's close_notify"
        fail(transfer, receiving.endsWithConnection ? "\(cut), perhaps" : "ended")
    }

    /// Fails the transfer, because the connection has ended before the response was complete. Closes the connection.
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

    /// Closes an idle connection on which a byte has arrived, or whose peer has ended it. TLS's own messages do not count.
    private func restEnded() {
        guard case .resting = state else { return }
        if checkQuiet() { return socket.whenReadable(onReadable) }
        origin.pool.counts.discarded += 1
        close()
    }

    private func peerChanged(_ peer: Descriptor.PeerState) {
        // While reading is paused, only this call notices a reset.
        guard peer.contains(.gone), isReadingPaused, case .busy(let transfer) = state else { return }
        fail(transfer, "was reset", errno: ECONNRESET)
    }
}
