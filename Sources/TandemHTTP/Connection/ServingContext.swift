internal import Glibc
internal import HTTPWire
internal import Logging
internal import Tandem

/// The state that the connections of one hub share: settings, routes, observers, buffers, the date. Used only on its hub.
final class ServingContext {
    let hub: Hub
    @exclusivity(unchecked) var settings: ConnectionSettings { didSet { readSettings() } }
    // The settings that every request reads, copied here so that reading them costs no reference counting.
    @exclusivity(unchecked) private(set) var logsAccess = false
    @exclusivity(unchecked) private(set) var trustsRequestID = false
    @exclusivity(unchecked) private(set) var returnsRequestID = false
    @exclusivity(unchecked) private(set) var maxRequests = 0
    @exclusivity(unchecked) private(set) var maxBodyBytes = 0
    @exclusivity(unchecked) private(set) var idleNanoseconds: UInt64 = 0
    let dispatcher: Dispatcher
    let migrations: HubMigrations
    let observer: RequestObserver
    let logger: Logger
    let draining: Draining
    let buffers = BufferPool()
    /// The body that all requests without a body share.
    let noBody = RequestBody([])
    /// The head of the last answered request; the next head reuses its memory.
    @exclusivity(unchecked) var spareHead: RequestHead?
    /// Whether connections end after their current request.
    @exclusivity(unchecked) var isDraining = false
    /// Whether a connection has become idle since this was last reset.
    @exclusivity(unchecked) var mayHaveIdle = false
    /// Requests answered in full since draining began.
    @exclusivity(unchecked) private(set) var answeredWhileDraining = 0

    @exclusivity(unchecked) private var currentDate = HTTPDate(unixSeconds: 0)
    @exclusivity(unchecked) private var nextDateCheck: UInt64 = 0
    @exclusivity(unchecked) private var unflushed: [Wire] = []
    private var turnEnd: TurnEnd!

    init(
        hub: Hub, settings: ConnectionSettings, dispatcher: Dispatcher, observer: RequestObserver, logger: Logger,
        draining: Draining
    ) {
        self.hub = hub
        self.settings = settings
        self.dispatcher = dispatcher
        migrations = HubMigrations(dispatcher.routes.migrating, hub: hub, logger: logger)
        self.observer = observer
        self.logger = logger
        self.draining = draining
        turnEnd = TurnEnd(on: hub) { [unowned self] in flushAll() }
        readSettings()
    }

    private func readSettings() {
        logsAccess = settings.accessLog != nil
        trustsRequestID = settings.trustsRequestID
        returnsRequestID = settings.returnsRequestID
        maxRequests = settings.maxRequests
        maxBodyBytes = settings.maxBodyBytes
        idleNanoseconds = settings.idleNanoseconds
    }

    /// Counts an answer that was sent in full.
    func countAnswer() {
        if isDraining { answeredWhileDraining += 1 }
    }

    /// The current second. The clock is read at most every 10 ms.
    var date: HTTPDate {
        let now = hub.turnTime
        if now >= nextDateCheck { readClock(now) }
        return currentDate
    }

    private func readClock(_ now: UInt64) {
        nextDateCheck = now &+ 10_000_000
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        if time.tv_sec != currentDate.unixSeconds { currentDate = HTTPDate(unixSeconds: time.tv_sec) }
    }

    /// Throws 503 when this hub has reached `maxGreenThreads`.
    func checkGreenThreads() throws(HTTPError) {
        guard hub.greenThreadCount >= settings.maxGreenThreads else { return }
        throw HTTPError(
            .serviceUnavailable, "the server is handling as many requests as it can; try again later", headers: .retryLater)
    }

    // MARK: Sending once per turn

    /// Sends this connection's output at the end of the hub's turn, together with any bytes that are written until then.
    func flushLater(_ wire: Wire) {
        guard !wire.isFlushedLater else { return }
        wire.isFlushedLater = true
        turnEnd.arm()
        unflushed.append(wire)
    }

    private func flushAll() {
        var flushed: [Wire] = []
        swap(&flushed, &unflushed)
        for wire in flushed {
            wire.isFlushedLater = false
            wire.flushInBackground()
        }
        guard unflushed.isEmpty else { return }
        flushed.removeAll(keepingCapacity: true)
        unflushed = flushed
    }
}
