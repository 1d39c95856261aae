internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

/// The migrating routes of a server on one hub: which handler answers, what is sampled, and the counts. Used only on its hub.
final class HubMigrations {
    let hub: Hub
    let logger: Logger
    private let states: [MigrationState]
    private let statesByRoute: [Unretained<MigrationState>]
    @exclusivity(unchecked) private(set) var configuration = MigrationConfiguration()
    @exclusivity(unchecked) private var busy = HubBusyness()
    /// The sampled requests that have not ended.
    @exclusivity(unchecked) private var samples: [ObjectIdentifier: ShadowSample] = [:]
    /// The samples whose answer was sent in this turn.
    @exclusivity(unchecked) private var starting: [ShadowSample] = []
    private let allEnded = Parker(for: "shadows to end")
    private var turnEnd: TurnEnd!

    /// - Parameter routes: The server's migrating routes, in the order of `Route.migrationIndex`.
    init(_ routes: [MigratingRoute], hub: Hub, logger: Logger) {
        self.hub = hub
        self.logger = logger
        states = routes.map(MigrationState.init)
        statesByRoute = states.map(Unretained.init)
        turnEnd = TurnEnd(on: hub) { [unowned self] in startShadows() }
    }

    /// Adopts a configuration for the next request.
    func use(_ configuration: MigrationConfiguration) {
        self.configuration = configuration
        for state in states { state.use(configuration) }
        if !configuration.isEnabled { for sample in samples.values { sample.skip(.cancelled) } }
    }

    // MARK: One request

    /// The state of the route with this `Route.migrationIndex`. This object owns it.
    subscript(index: Int) -> Unretained<MigrationState> { statesByRoute[index] }

    /// Samples the request, unless too many are in flight. Returns the sample.
    @inline(never)
    func sample(_ state: MigrationState, _ head: RequestHead, _ peer: Peer, answeredByNew: Bool) -> ShadowSample? {
        if samples.count >= configuration.shadowMaxInFlight {
            state.count { $0.skip(.limit) }
            return nil
        }
        if let length = head.contentLength, length > configuration.shadowMaxBodyBytes {
            state.count { $0.skip(.body) }
            return nil
        }
        let sample = ShadowSample(
            self, state, answeredByNew: answeredByNew, run: state.nextIsControl() ? .control : .candidate, isHead: head.isHead)
        samples[ObjectIdentifier(sample)] = sample
        peer.offer(sample)
        return sample
    }

    /// Logs that the guard of a route has latched.
    @inline(never)
    func reportTrip(_ route: MigratingRoute) {
        logger.error(
            "migration rolled back: the new handler errs more than the old one",
            metadata: [
                "http.route": "\(route.path)", "http.request.method": "\(route.method.rawValue)",
                "remedy": "all requests go to the old handler until a reload changes the route's item",
            ])
    }

    // MARK: Shadows

    /// Decides whether the shadow of an answered request may run, and starts it after this turn, in which the answer is sent at the
    /// latest.
    func start(_ sample: ShadowSample, maxGreenThreads: Int, isDraining: Bool) {
        if isDraining { return sample.skip(.draining) }
        guard hub.greenThreadCount <= maxGreenThreads - maxGreenThreads / 5, !busy.isBusy(hub) else { return sample.skip(.busy) }
        starting.append(sample)
        turnEnd.arm()
    }

    private func startShadows() {
        for sample in starting { sample.start() }
        starting.removeAll(keepingCapacity: true)
    }

    /// Forgets a sample that has ended.
    func ended(_ sample: ShadowSample) {
        samples[ObjectIdentifier(sample)] = nil
        if samples.isEmpty { allEnded.unpark() }
    }

    /// Cancels all shadows: the server drains.
    func drain() {
        for sample in samples.values { sample.skip(.draining) }
    }

    /// Cancels all shadows, and waits until they have ended. A shadow that ignores its cancellation holds up the stop of the server for
    /// a second, and that of the hub for `HubConfiguration.stopGrace`.
    func end() async {
        drain()
        let deadline = Deadline.after(.seconds(1))
        while !samples.isEmpty, (try? await allEnded.park(deadline: deadline)) != nil {}
        // The samples refer to this object. The tasks of those that have not ended keep them for as long as they need them.
        samples.removeAll()
    }

    // MARK: Reporting

    /// The state of this hub's routes.
    struct Snapshot: Sendable {
        var tallies: [MigrationTally]
        var inFlight: Int
    }

    var snapshot: Snapshot { Snapshot(tallies: states.map(\.tally), inFlight: samples.count) }
}

/// Whether a hub has no time for shadows: more than one turn of its loop in a hundred took 17 ms or longer since the last look. The
/// looks are at least a second apart.
struct HubBusyness {
    /// The first element of `LoopDelays.counts` that counts long turns: 2^24 ns and more.
    private static let limit = 25
    private var nextLook: UInt64 = 0
    private var counts: [UInt64] = []
    private var isBusy = false

    /// Returns whether the hub is busy.
    mutating func isBusy(_ hub: Hub) -> Bool {
        guard hub.turnTime >= nextLook else { return isBusy }
        nextLook = hub.turnTime &+ 1_000_000_000
        let now = hub.statistics.loopDelays.counts
        let turns = zip(now, counts + [UInt64](repeating: 0, count: now.count - counts.count)).map { $0 - $1 }
        counts = now
        // A few long turns of a hub that is otherwise idle do not make it busy.
        isBusy = turns.dropFirst(Self.limit).reduce(0, +) * 100 > max(turns.reduce(0, +), 300)
        return isBusy
    }
}
