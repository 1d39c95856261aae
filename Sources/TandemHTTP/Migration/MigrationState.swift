internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// One migrating route on one hub: the choice of the handler, and the counts. Used only on its hub.
///
/// Each request of the route makes a choice. What the choice reads is prepared by `use`, and lies in this object.
final class MigrationState {
    /// How requests are divided, if nothing else decides.
    private enum Plan { case old, new, share, off }

    /// What answers a request.
    struct Choice {
        var isNew: Bool
        var chooser: MigrationTally.Chooser
        var isSampled = false
    }

    let route: MigratingRoute
    // Parts of the route, which owns them.
    let old: Unretained<Route>
    let new: Unretained<Route>
    private let guarding: Unretained<MigrationGuard>

    @exclusivity(unchecked) private(set) var migration: Migration
    @exclusivity(unchecked) private var plan = Plan.old
    @exclusivity(unchecked) private var hasOverride = false
    @exclusivity(unchecked) private var overrideField: HTTPField.Name?
    /// A request is sampled if its position is below this number.
    @exclusivity(unchecked) private var samplesBelow: UInt64 = 0
    /// The position of the last request. It advances by the golden ratio of all numbers, which spreads the samples evenly.
    @exclusivity(unchecked) private var position = UInt64.random(in: 0 ... .max)
    @exclusivity(unchecked) private var control: UInt32 = 0
    @exclusivity(unchecked) private var controlsDue: UInt32 = 0
    /// Whether all requests go to one handler, so that no request has to be looked at.
    @exclusivity(unchecked) private var isFixed = true
    /// The requests that went to a handler without a look at them.
    @exclusivity(unchecked) private var fixedRequests: (old: UInt64, new: UInt64) = (0, 0)
    /// Whether the new handler answers some requests, so that the guard has to count.
    @exclusivity(unchecked) private var isGuarded = false
    @exclusivity(unchecked) private var limits = MigrationGuard.Limits(points: 0, minimum: 0)
    @exclusivity(unchecked) private var requests = MigrationTally.Requests()
    @exclusivity(unchecked) private var counts = MigrationTally()

    init(_ route: MigratingRoute) {
        self.route = route
        old = Unretained(route.old)
        new = Unretained(route.new)
        guarding = Unretained(route.guard)
        migration = route.pair.migration
    }

    /// Adopts a configuration for the next request.
    func use(_ configuration: MigrationConfiguration) {
        migration = configuration.migration(of: route)
        overrideField = configuration.overrideField
        hasOverride = overrideField != nil
        limits = .init(points: Double(configuration.guardErrorPoints), minimum: configuration.guardMinRequests)
        var sample = Share.none
        (plan, isGuarded, control) = (.old, false, 0)
        switch migration.mode {
        case .old: break
        case .shadow(let share, let controls): (sample, control) = (share, controls.thousandths)
        case .percent(let share, _): (plan, isGuarded) = (share == .all ? .new : .share, share > .none)
        case .new(let share, let controls): (plan, isGuarded, sample, control) = (.new, true, share, controls.thousandths)
        }
        samplesBelow = sample == .all ? .max : UInt64(sample.thousandths) * (.max / MigrationBucket.count)
        if configuration.guardErrorPoints == 0 { isGuarded = false }
        if !configuration.isEnabled { (plan, isGuarded, samplesBelow) = (.off, false, 0) }
        isFixed = !hasOverride && (plan == .old || plan == .new)
    }

    // MARK: One request

    /// Returns the handler of a request, and counts it; nil if `choose` has to look at the request. Most requests need no more.
    @inline(__always)
    func chooseFixed() -> Bool? {
        let isNew = plan == .new
        guard isFixed, !(isNew && guarding({ $0.isLatched })), position &+ Self.step >= samplesBelow else { return nil }
        position &+= Self.step
        if isGuarded { guarding { $0.requestBegins(isNew: isNew) } }
        if isNew { fixedRequests.new &+= 1 } else { fixedRequests.old &+= 1 }
        return isNew
    }

    /// The golden ratio of all numbers.
    private static var step: UInt64 { 0x9e37_79b9_7f4a_7c15 }

    /// Chooses the handler of a request, and counts it.
    func choose(_ head: RequestHead, _ peer: Peer, _ observer: RequestObserver, trustsID: Bool) -> Choice {
        var choice = Choice(isNew: plan == .new, chooser: .share)
        if hasOverride || plan == .share || plan == .off { choice = decide(head, peer, observer, trustsID) }
        if choice.isNew, choice.chooser == .share, guarding({ $0.isLatched }) { choice = Choice(isNew: false, chooser: .guard) }
        requests.count(isNew: choice.isNew, choice.chooser)
        guard choice.chooser == .share else { return choice }
        if isGuarded { guarding { $0.requestBegins(isNew: choice.isNew) } }
        if samplesBelow > 0 {
            position &+= Self.step
            choice.isSampled = position < samplesBelow
        }
        return choice
    }

    @inline(never)
    private func decide(_ head: RequestHead, _ peer: Peer, _ observer: RequestObserver, _ trustsID: Bool) -> Choice {
        if plan == .off { return Choice(isNew: false, chooser: .off) }
        if let wanted = overrideField.flatMap({ head[$0] }), wanted == "new" || wanted == "old" {
            return Choice(isNew: wanted == "new", chooser: .override)
        }
        guard plan == .share, case .percent(let share, let key) = migration.mode else {
            return Choice(isNew: plan == .new, chooser: .share)
        }
        let id = observer.upcomingID(of: head, trustsID: trustsID)
        let bucket = route.bucket.bucket(of: head, by: key, peer, id)
        return Choice(isNew: bucket.map { $0 < share.thousandths } ?? false, chooser: .share)
    }

    /// Whether the next sample is a control.
    func nextIsControl() -> Bool {
        controlsDue += control
        guard controlsDue >= Share.all.thousandths else { return false }
        controlsDue -= Share.all.thousandths
        return true
    }

    /// Counts an error for the guard. Returns whether the guard has latched because of it.
    func failed(isNew: Bool, now: UInt64) -> Bool {
        isGuarded && guarding { $0.requestFailed(isNew: isNew, now: now, limits) }
    }

    // MARK: Counts

    /// Counts something other than a request.
    func count(_ change: (inout MigrationTally) -> Void) { change(&counts) }

    /// All counts.
    var tally: MigrationTally {
        var tally = counts
        tally.requests = requests
        tally.requests.add(fixedRequests.old, isNew: false)
        tally.requests.add(fixedRequests.new, isNew: true)
        return tally
    }
}

extension MigrationConfiguration {
    /// The mode of a route: that of the last item, or that of the code.
    func migration(of route: MigratingRoute) -> Migration {
        routes.last { $0.method == route.method && $0.path == route.path }?.migration ?? route.pair.migration
    }
}
