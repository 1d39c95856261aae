import Synchronization

/// What a hostile upstream has counted and noticed. Any thread may use it.
final class HostileLedger: Sendable {
    /// What an exchange may come to because of the connection that it was given, whatever its own plan says.
    enum Excuse: Sendable {
        /// The connection ended as the request arrived. A request that may be repeated still has to succeed.
        case connectionEnded
        /// Stray bytes were sent at the moment at which the request was: no client can tell them from the answer.
        case strayBytes
    }

    struct Counts: Sendable {
        /// Connections accepted.
        var accepted = 0
        /// Connections that are open on the upstream's side.
        var open = 0
        /// Heads of requests read.
        var requests = 0
        /// Bytes sent by `flood`.
        var flooded = 0
        /// Requests for which the upstream ended the connection as they arrived.
        var severed = 0
    }

    private struct State {
        var counts = Counts()
        var excuses: [Int: Excuse] = [:]
        var posts: Set<Int> = []
        var resets: [ContinuousClock.Instant] = []
        var violations: [String] = []
    }

    private let state = Mutex(State())

    var counts: Counts { state.withLock { $0.counts } }

    /// What the client must not have done, at most the first hundred.
    var violations: [String] { state.withLock { $0.violations } }

    func count(_ change: (inout Counts) -> Void) { state.withLock { change(&$0.counts) } }

    func violation(_ text: String) {
        state.withLock { if $0.violations.count < 100 { $0.violations.append(text) } }
    }

    /// Counts a request; a POST that comes a second time is a violation.
    func note(_ request: HostileRequest) {
        let isDouble = state.withLock { state in
            state.counts.requests += 1
            guard request.method == "POST", let exchange = request.exchange else { return false }
            return !state.posts.insert(exchange).inserted
        }
        if isDouble { violation("the POST \(request.path) was sent twice") }
    }

    func excuse(_ exchange: Int?, _ excuse: Excuse) {
        guard let exchange else { return }
        state.withLock { state in
            // A stray answer excuses more.
            if state.excuses[exchange] != .strayBytes { state.excuses[exchange] = excuse }
        }
    }

    func excuse(of exchange: Int) -> Excuse? { state.withLock { $0.excuses[exchange] } }

    /// Notes that an idle connection was reset: whether a request was on its way to it, the upstream cannot see.
    func noteReset() { state.withLock { $0.resets.append(.now) } }

    /// Whether an idle connection was reset in this time.
    func wasReset(in time: ClosedRange<ContinuousClock.Instant>) -> Bool {
        state.withLock { $0.resets.contains { time.contains($0) } }
    }
}

extension HostileLedger.Counts {
    mutating func add(_ other: HostileLedger.Counts) {
        accepted += other.accepted
        open += other.open
        requests += other.requests
        flooded += other.flooded
        severed += other.severed
    }
}
