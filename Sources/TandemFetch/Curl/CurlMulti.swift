internal import CCurl
internal import CTandemCurl
internal import Glibc
internal import Tandem

/// A transfer or connection that libcurl works on, with a separate easy handle.
protocol CurlJob: AnyObject {
    /// Called when libcurl has ended the job. The job decides whether the handle stays attached to the multi handle.
    func ended(_ result: CURLcode, _ easy: EasyHandle)
    /// Called when libcurl waits for this socket to become readable, and for nothing else.
    func listens(to socket: CInt)
    /// Called when a socket cannot be watched, or the hub has stopped.
    func failed(_ error: FetchError)
}

/// A multi handle of libcurl, driven by a hub. Used only on the hub's thread.
///
/// Code must not call libcurl from inside libcurl's callbacks, so the callbacks only record what to do: the timer callback arms a
/// `HubTimer`, the socket callback changes what the hub watches, and the callbacks of a job wake its caller.
final class CurlMulti {
    private static let idleHandlesKept = 16

    unowned let hub: Hub
    private let metrics: FetchMetrics?
    private let multi: UnsafeMutableRawPointer
    private let sessions: UnsafeMutableRawPointer?
    private var sockets: SocketWatches!
    private var timer: HubTimer!
    private var jobs: [UnsafeMutableRawPointer: (job: any CurlJob, easy: EasyHandle)] = [:]
    private var idle: [EasyHandle] = []
    // Whether a call into libcurl is on the stack, and the work that has to wait until it returns.
    private var isInside = false
    private var postponed: [() -> Void] = []
    private var openSockets = OpenSockets()
    // Sockets that libcurl must not close. Each is in the set from `keepOpen` until libcurl asks to close it.
    private var kept: Set<CInt> = []
    private var hasEnded = false

    init(on hub: Hub, _ metrics: FetchMetrics?) throws(FetchError) {
        try CurlGlobal.start()
        guard let multi = curl_multi_init() else { throw FetchError(.unavailable, "no memory for a libcurl multi handle") }
        self.multi = multi
        self.hub = hub
        self.metrics = metrics
        sessions = tandem_curl_share_sessions().map { UnsafeMutableRawPointer($0) }
        // No limit in libcurl on the number of connections: the pool itself has limits.
        _ = tandem_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 1_000_000)
        // Unowned, because `end` stops both before this object is freed.
        sockets = SocketWatches { [unowned self] fd, ready in drive { curl_multi_socket_action(multi, fd, ready, $0) } }
        timer = HubTimer(on: hub) { [unowned self] in
            drive { curl_multi_socket_action(multi, CInt(CURL_SOCKET_TIMEOUT), 0, $0) }
        }
        tandem_curl_multi_set_events(
            multi,
            { easy, fd, what, context, _ in
                CurlMulti.from(context).socketChanged(fd, what, of: easy)
                // An error would make libcurl fail every transfer of this multi handle.
                return 0
            },
            { _, milliseconds, context in
                CurlMulti.from(context).timer.arm(milliseconds < 0 ? .never : .after(.milliseconds(milliseconds)))
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { end() }

    /// Ends every job and closes every connection. A second call does nothing.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        tandem_curl_multi_set_events(multi, nil, nil, nil)
        sockets.removeAll()
        timer = nil
        var left = jobs
        jobs = [:]
        for (pointer, entry) in left {
            entry.job.failed(FetchError(.unavailable, "the hub of this fetch has stopped"))
            curl_multi_remove_handle(multi, pointer)
        }
        idle = []
        curl_multi_cleanup(multi)
        // The easy handles must be freed before the sessions that they share.
        left = [:]
        if let sessions { curl_share_cleanup(sessions) }
        noteClosed(openSockets.dropForgotten())
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> CurlMulti {
        Unmanaged<CurlMulti>.fromOpaque(context!).takeUnretainedValue()
    }

    /// Adds this handle's current counts to the statistics.
    func count(_ statistics: inout FetchStatistics) {
        statistics.transfers += jobs.values.count { $0.job is Dial || $0.job is HTTP2Stream }
        statistics.idleHandles += idle.count
        statistics.sockets += sockets.count
        noteClosed(openSockets.dropForgotten())
        statistics.connections += openSockets.count
    }

    /// The number of jobs.
    var jobCount: Int { jobs.count }

    // MARK: Jobs

    /// Returns an easy handle with default options that shares TLS sessions. Reuses an idle handle if there is one. Throws
    /// `unavailable`.
    func takeHandle() throws(FetchError) -> EasyHandle {
        let easy: EasyHandle
        if let used = idle.popLast() { easy = used } else { easy = try EasyHandle() }
        easy.set(CURLOPT_SHARE, sessions.map { UnsafeRawPointer($0) })
        tandem_curl_set_close_socket(
            easy.pointer,
            { context, fd in
                CurlMulti.from(context).close(fd)
            }, Unmanaged.passUnretained(self).toOpaque())
        return easy
    }

    /// Starts a job. The options of its handle have been set. libcurl begins to work on it in the hub's next turn.
    func add(_ job: any CurlJob, _ easy: EasyHandle) throws(FetchError) {
        let failed = inside { curl_multi_add_handle(multi, easy.pointer) }
        guard failed == CURLM_OK else { throw FetchError(.unavailable, String(cString: curl_multi_strerror(failed))) }
        jobs[easy.pointer] = (job, easy)
    }

    /// Replaces the job of a handle. From now on the new job gets what libcurl reports.
    func replaceJob(of easy: EasyHandle, by job: any CurlJob) { jobs[easy.pointer] = (job, easy) }

    /// Removes a job's handle from the multi handle, and closes its connection unless other jobs use that. If a call into
    /// libcurl is on the stack, this happens after it has returned. Does nothing if the handle has been removed already.
    func remove(_ easy: EasyHandle) {
        guard let entry = jobs.removeValue(forKey: easy.pointer) else { return }
        // Until then libcurl may call back with pointers to the job, so the closure keeps the job alive.
        guard !isInside else { return postponed.append { [unowned self] in withExtendedLifetime(entry) { detach(easy) } } }
        guard !hasEnded else { return }
        detach(easy)
    }

    private func detach(_ easy: EasyHandle) {
        inside { _ = curl_multi_remove_handle(multi, easy.pointer) }
        if idle.count < CurlMulti.idleHandlesKept {
            easy.reset()
            idle.append(easy)
        }
    }

    /// Runs `work` when no call into libcurl is on the stack. For callbacks, which must not call libcurl.
    func later(_ work: @escaping () -> Void) {
        if isInside { postponed.append(work) } else { work() }
    }

    /// Calls libcurl with `work`, and then reports the jobs that libcurl has ended.
    func call(_ work: () -> CURLcode) -> CURLcode {
        let result = inside(work)
        settle()
        return result
    }

    // MARK: Connections

    /// Counts a socket that libcurl has opened.
    func opened(_ fd: CInt) {
        metrics?.connectionOpened()
        noteClosed(openSockets.opened(fd))
    }

    /// Stops watching this socket for libcurl. Its new owner watches it.
    func stopWatching(_ fd: CInt) { sockets.remove(fd) }

    /// Makes libcurl leave this socket open. Its new owner closes it.
    func keepOpen(_ fd: CInt) { kept.insert(fd) }

    /// Counts a socket that was kept open and is about to be closed.
    func closing(_ fd: CInt) { noteClosed(openSockets.closing(fd) ? 1 : 0) }

    private func close(_ fd: CInt) -> CInt {
        if kept.remove(fd) != nil { return 0 }
        closing(fd)
        return Glibc.close(fd)
    }

    private func noteClosed(_ count: Int) {
        for _ in 0..<count { metrics?.connectionClosed() }
    }

    /// The number of open connections.
    var connections: Int { openSockets.count }

    // MARK: Events

    private func drive(_ action: (UnsafeMutablePointer<CInt>) -> CURLMcode) {
        var running: CInt = 0
        // The result is ignored: an unknown socket is not an error, because libcurl may have closed it since the hub reported it.
        inside { _ = action(&running) }
        settle()
    }

    private func inside<Result>(_ call: () -> Result) -> Result {
        let outer = isInside
        isInside = true
        defer { isInside = outer }
        // libcurl joins threads of its resolver, and must not be entered by others of the hub meanwhile.
        return ForeignWait.withoutParking(call)
    }

    /// Runs the work that had to wait for libcurl to return, and reports the jobs that have ended.
    private func settle() {
        guard !isInside else { return }
        while !postponed.isEmpty {
            let works = postponed
            postponed = []
            for work in works { work() }
        }
        var result = CURLE_OK
        while let pointer = tandem_curl_multi_next_ended(multi, &result) {
            guard let (job, easy) = jobs[pointer] else { continue }
            job.ended(result, easy)
        }
    }

    private func socketChanged(_ fd: CInt, _ what: CInt, of easy: UnsafeMutableRawPointer?) {
        guard what != CURL_POLL_REMOVE else { return sockets.remove(fd) }
        if what == CURL_POLL_IN, let easy { jobs[easy]?.job.listens(to: fd) }
        do throws(TandemError) {
            try sockets.watch(fd, for: Descriptor.WatchEvents(polling: what))
        } catch {
            // `easy` may be an internal handle of libcurl, so it is only looked up among the known jobs.
            guard let easy, let entry = jobs[easy] else { return }
            entry.job.failed(FetchError(.unavailable, "a socket cannot be watched: \(error.message)"))
            remove(entry.easy)
        }
    }
}
