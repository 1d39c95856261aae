internal import CCurl
internal import Tandem

/// How far a transfer has come, and whether that takes too long. libcurl itself watches the time to connect and the whole;
/// here is what it does not know: TLS, the first byte, and standstill.
///
/// One timer a transfer, which is not touched by what arrives: when it fires it looks how long the present phase has lasted,
/// and comes again when that is not long enough.
struct TransferPhases {
    enum Phase { case connecting, handshake, sending, awaitingHead, receiving }

    private let tls: Duration?
    private let response: Duration?
    private let idle: Duration?
    private var phase = Phase.connecting
    // When the phase began, or its last byte moved.
    private var since = Duration.zero
    private var uploaded = 0
    private unowned(unsafe) var hub: Hub!
    private var timer: HubTimer?

    init(_ configuration: FetchConfiguration, usesTLS: Bool) {
        tls = usesTLS ? configuration.tlsTimeout : nil
        response = configuration.responseTimeout
        idle = configuration.idleTimeout
    }

    mutating func start(on hub: Hub, _ check: @escaping () -> Void) {
        self.hub = hub
        since = hub.now
        guard let first = [tls, response, idle].compactMap({ $0 }).min() else { return }
        let timer = HubTimer(on: hub, handler: check)
        timer.arm(.after(first))
        self.timer = timer
    }

    mutating func stop() { timer = nil }

    mutating func enter(_ next: Phase) {
        phase = next
        since = hub.now
    }

    /// libcurl waits for the server to say something on a connection of this transfer: when it has not sent the request yet,
    /// that is TLS.
    mutating func listens() {
        if phase == .connecting, tls != nil { enter(.handshake) }
    }

    mutating func madeProgress() {
        if timer != nil { since = hub.now }
    }

    /// The error when the present phase has lasted too long; else the timer is armed for when it would have.
    ///
    /// - Parameter isHeldBack: Whether it is us who stand still: a reader or a producer that is slow is not the upstream's.
    mutating func overdue(_ easy: EasyHandle, isHeldBack: Bool, _ origin: String) -> FetchError? {
        let now = hub.now
        noteUpload(easy, now)
        guard let (limit, code, what) = limit else {
            // Of a phase without a limit; another may follow that has one.
            timer?.arm(.after([tls, response, idle].compactMap { $0 }.min() ?? .seconds(1)))
            return nil
        }
        if isHeldBack { since = now }
        let left = limit - (now - since)
        guard left <= .zero else {
            timer?.arm(.after(left))
            return nil
        }
        return FetchError(code, "\(origin): \(what) \(limit)", curlCode: Int32(CURLE_OPERATION_TIMEDOUT.rawValue))
    }

    private var limit: (Duration, FetchError.Code, String)? {
        switch phase {
        case .connecting: return nil
        case .handshake: return tls.map { ($0, .tlsTimedOut, "connected, but TLS was not established within") }
        case .awaitingHead: return response.map { ($0, .responseTimedOut, "the request was sent, but no answer began within") }
        case .sending: return idle.map { ($0, .idleTimedOut, "no byte of the request could be sent for") }
        case .receiving: return idle.map { ($0, .idleTimedOut, "no byte of the answer came for") }
        }
    }

    /// A body at hand goes out without our being asked: libcurl's count says how far it is.
    private mutating func noteUpload(_ easy: EasyHandle, _ now: Duration) {
        guard phase == .awaitingHead, let sent = easy.number(CURLINFO_SIZE_UPLOAD_T), sent > uploaded else { return }
        if uploaded > 0 || sent > EasyHandle.sentWithHead { since = now }
        uploaded = sent
    }
}
