internal import CCurl
internal import CTandemCurl
internal import Glibc
internal import Tandem

/// libcurl's multi handle, driven by a hub: one a hub, shared by every client and both styles, so that connections are
/// reused across them.
///
/// Every call is made on the hub's thread. libcurl must not be called from inside its own callbacks, so these only note
/// what to do: the timer's arms a `HubTimer`, the sockets' changes what epoll watches, a transfer's wakes its caller.
final class CurlMulti {
    private static let idleHandlesKept = 64

    /// Whose thread it is on. The hub keeps the multi.
    unowned let hub: Hub
    /// nil when nobody counts.
    let metrics = FetchMetrics()
    /// What has happened since the start.
    var counts = (retries: 0, queued: 0)
    private let multi: UnsafeMutableRawPointer
    private var sockets: SocketWatches!
    private var timer: HubTimer!
    private var attached: [UnsafeMutableRawPointer: Transfer] = [:]
    private var idle: [EasyHandle] = []
    // Whether libcurl is on the stack, and what has to wait until it is not.
    private var isInside = false
    private var toDetach: [Transfer] = []
    private var postponed: [() -> Void] = []
    private var gates: [String: OriginGate] = [:]
    private var openSockets = OpenSockets()

    /// The one of `hub`, made when first asked for. Throws `unavailable`.
    static func on(_ hub: Hub) throws -> CurlMulti { try hub.local(CurlMulti.self) { try CurlMulti(on: hub) } }

    /// Connections that are kept when their fetch is over, as many as go to one origin at once by default. libcurl's own measure
    /// is four for each transfer that is under way at that moment, so that connections would be closed whenever there are few,
    /// and opened again a moment later.
    static let keptConnections = 256

    private init(on hub: Hub) throws(FetchError) {
        try CurlGlobal.start()
        guard let multi = curl_multi_init() else { throw FetchError(.unavailable, "no memory for a libcurl multi handle") }
        self.multi = multi
        self.hub = hub
        _ = tandem_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, CurlMulti.keptConnections)
        // The hub keeps the multi, not the other way round; whoever fires these is stopped in deinit.
        sockets = SocketWatches { [unowned self] fd, ready in drive { curl_multi_socket_action(multi, fd, ready, $0) } }
        timer = HubTimer(on: hub) { [unowned self] in
            drive { curl_multi_socket_action(multi, CInt(CURL_SOCKET_TIMEOUT), 0, $0) }
        }
        tandem_curl_multi_set_events(
            multi,
            { easy, fd, what, context, _ in
                CurlMulti.from(context).socketChanged(fd, what, of: easy)
                // An error would make libcurl fail every transfer of this hub.
                return 0
            },
            { _, milliseconds, context in
                CurlMulti.from(context).timer.arm(milliseconds < 0 ? .never : .after(.milliseconds(milliseconds)))
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Runs on the hub's thread, when the hub drops its locals.
    deinit {
        tandem_curl_multi_set_events(multi, nil, nil, nil)
        sockets.removeAll()
        for (_, transfer) in attached {
            let easy = transfer.detached(FetchError(.unavailable, "\(transfer.url.origin): the hub stopped"))
            curl_multi_remove_handle(multi, easy.pointer)
        }
        idle = []
        curl_multi_cleanup(multi)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> CurlMulti {
        Unmanaged<CurlMulti>.fromOpaque(context!).takeUnretainedValue()
    }

    /// What lives here now.
    var statistics: FetchStatistics {
        var statistics = FetchStatistics()
        statistics.transfers = attached.count
        statistics.idleHandles = idle.count
        statistics.sockets = sockets.count
        noteClosed(openSockets.dropForgotten())
        statistics.connections = openSockets.count
        statistics.waiting = gates.values.reduce(0) { $0 + $1.waiting }
        statistics.queued = counts.queued
        statistics.retries = counts.retries
        return statistics
    }

    // MARK: Origins

    /// The line, and the budget, of an origin. They outlive its exchanges for a minute.
    func gate(of origin: String, _ retry: RetryPolicy) -> OriginGate {
        if let known = gates[origin] { return known }
        let now = hub.now
        // Strangers may choose the origins: those that have nothing to keep go.
        if gates.count >= 256 { gates = gates.filter { !$0.value.isIdle(now: now) } }
        let gate = OriginGate(origin, retry, now: now)
        gates[origin] = gate
        return gate
    }

    // MARK: Transfers

    /// A handle with default options: a used one, or a new one. Throws `unavailable`.
    func takeHandle() throws(FetchError) -> EasyHandle {
        if let used = idle.popLast() { return used }
        return try EasyHandle()
    }

    /// Starts a transfer, which has been given its handle and options. It makes its first step at the hub's next turn.
    func attach(_ transfer: Transfer, _ easy: EasyHandle) throws(FetchError) {
        count(socketsOf: easy)
        let failed = inside { curl_multi_add_handle(multi, easy.pointer) }
        guard failed == CURLM_OK else {
            throw FetchError(.unavailable, "\(transfer.url.origin): \(String(cString: curl_multi_strerror(failed)))")
        }
        attached[easy.pointer] = transfer
        transfer.attached(to: self, easy)
    }

    /// Ends a transfer before its time; its connection is closed. Harmless when it has ended.
    func abandon(_ transfer: Transfer, _ error: any Error) {
        if isInside {
            toDetach.append(transfer)
            transfer.refuse(error)
        } else {
            detach(transfer, error)
        }
    }

    /// Does this when libcurl is not on the stack: what a callback wants to ask of it.
    func later(_ work: @escaping () -> Void) { postponed.append(work) }

    /// Lets a transfer go on in the directions that `pauses` (`CURLPAUSE_*`) leaves. libcurl may hand over what it held back
    /// before this returns.
    func setPauses(_ pauses: CInt, of transfer: Transfer, _ easy: EasyHandle) {
        let failed = inside { curl_easy_pause(easy.pointer, pauses) }
        // libcurl gave up while it handed over; such a transfer would never be reported as ended.
        if failed != CURLE_OK { detach(transfer, transfer.failure(failed)) }
        settle()
    }

    private func detach(_ transfer: Transfer, _ failure: (any Error)?) {
        guard let pointer = transfer.easy?.pointer, attached.removeValue(forKey: pointer) != nil else { return }
        let easy = transfer.detached(failure)
        inside { _ = curl_multi_remove_handle(multi, pointer) }
        if idle.count < CurlMulti.idleHandlesKept {
            easy.reset()
            idle.append(easy)
        }
    }

    // MARK: Connections

    /// Has libcurl open and close its sockets here, so that they are counted. libcurl keeps a connection longer than the
    /// handle that opened it: what closes it must be the multi's.
    func count(socketsOf easy: EasyHandle) {
        tandem_curl_set_close_socket(
            easy.pointer,
            { context, fd in
                CurlMulti.from(context).closing(fd)
                return close(fd)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    func opened(_ fd: CInt) {
        metrics?.connectionOpened()
        noteClosed(openSockets.opened(fd))
    }

    private func closing(_ fd: CInt) { noteClosed(openSockets.closing(fd) ? 1 : 0) }

    private func noteClosed(_ count: Int) {
        for _ in 0..<count { metrics?.connectionClosed() }
    }

    // MARK: Events

    private func drive(_ action: (UnsafeMutablePointer<CInt>) -> CURLMcode) {
        var running: CInt = 0
        // A bad descriptor is no error here: libcurl has closed it since epoll reported it.
        inside { _ = action(&running) }
        settle()
    }

    private func inside<Result>(_ call: () -> Result) -> Result {
        let outer = isInside
        isInside = true
        defer { isInside = outer }
        return call()
    }

    /// What had to wait for libcurl to return: transfers that have ended, and those given up in a callback.
    private func settle() {
        guard !isInside else { return }
        while let work = postponed.popLast() { work() }
        var result = CURLE_OK
        while let pointer = tandem_curl_multi_next_ended(multi, &result) {
            guard let transfer = attached[pointer] else { continue }
            detach(transfer, transfer.failure(result))
        }
        while let transfer = toDetach.popLast() { detach(transfer, transfer.failure(CURLE_ABORTED_BY_CALLBACK)) }
    }

    private func socketChanged(_ fd: CInt, _ what: CInt, of easy: UnsafeMutableRawPointer?) {
        guard what != CURL_POLL_REMOVE else { return sockets.remove(fd) }
        if what == CURL_POLL_IN, let easy { attached[easy]?.listens(to: fd) }
        do throws(TandemError) {
            try sockets.watch(fd, for: Descriptor.WatchEvents(polling: what))
        } catch {
            // The handle may be one of libcurl's own, never one to ask for CURLINFO_PRIVATE: only those we know count.
            guard let easy, let transfer = attached[easy] else { return }
            abandon(transfer, FetchError(.unavailable, "\(transfer.url.origin): \(error.message)"))
        }
    }
}
