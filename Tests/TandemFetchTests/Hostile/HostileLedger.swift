import Synchronization

/// The counts and observations of a hostile upstream. Usable from any thread.
final class HostileLedger: Sendable {
    /// An outcome that an exchange may have because of its connection, whatever its own plan says.
    enum Excuse: Sendable {
        /// The connection ended as the request arrived. A request that may be repeated still has to succeed.
        case connectionEnded
        /// Stray bytes were sent at the same moment as the request, so no client can tell them from the response.
        case strayBytes
    }

    struct Counts: Sendable {
        /// Connections accepted.
        var accepted = 0
        /// Connections that are open on the upstream's side.
        var open = 0
        /// Request heads read.
        var requests = 0
        /// Bytes sent by `flood`.
        var flooded = 0
        /// Requests whose connection the upstream ended on arrival.
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

    /// The client's violations, at most the first hundred.
    var violations: [String] { state.withLock { $0.violations } }

    func count(_ change: (inout Counts) -> Void) { state.withLock { change(&$0.counts) } }

    func violation(_ text: String) {
        state.withLock { if $0.violations.count < 100 { $0.violations.append(text) } }
    }

    /// Counts a request. A POST that arrives twice is a violation.
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
            // A stray response excuses more.
            if state.excuses[exchange] != .strayBytes { state.excuses[exchange] = excuse }
        }
    }

    func excuse(of exchange: Int) -> Excuse? { state.withLock { $0.excuses[exchange] } }

    /// Notes that an idle connection was reset. The upstream cannot see whether a request was on its way.
    func noteReset() { state.withLock { $0.resets.append(.now) } }

    /// Whether an idle connection was reset during this time.
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
