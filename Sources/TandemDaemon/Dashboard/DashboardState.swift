/// What the first screen of the dashboard shows: `/debug/state`. Counters count from the start of the process; readers compute rates.
struct DashboardState: Codable, Sendable {
    /// The requests of all routes.
    struct Requests: Codable, Sendable {
        var total = 0
        /// Answers with a status of 500 or more, and of 400 to 499.
        var serverErrors = 0, clientErrors = 0
        /// Requests that are being answered.
        var active = 0
        /// Requests of routes by the style of their handlers.
        var blocking = 0, async = 0
        /// Percentiles of the last minute, recorded only while a viewer is connected; nil without requests.
        var p50Microseconds: Int?, p99Microseconds: Int?
    }

    struct Connections: Codable, Sendable {
        let active: Int
        let accepted: Int
        let refused: Int
    }

    struct Hub: Codable, Sendable {
        let hub: String
        /// The kernel's id of its thread.
        let thread: Int
        /// Whether the hub answered in time; otherwise code holds it, and the counters are nil.
        let answers: Bool
        var busyMicroseconds: Int?
        var turns: Int?, jobs: Int?, ready: Int?
        var greenThreads: Int?, greenThreadsHighWater: Int?, tasks: Int?, waits: Int?, timers: Int?, descriptors: Int?
        var bridgesToBlocking: Int?, bridgesToAsync: Int?, parks: Int?, stalls: Int?
        /// The numbers of turns by duration: `LoopDelays.counts`.
        var delays: [UInt64]?
        /// Only of a hub that does not answer: how long it has been held, and the code that holds it; nil without a watchdog.
        var heldMicroseconds: Int?, holder: String?
    }

    /// Milliseconds since 1970.
    let time: Int
    let uptimeMicroseconds: Int
    let service: String
    let version: String
    let pid: Int
    /// An identifier of the process, different after each restart.
    let instance: String
    let phase: String
    let isReady: Bool
    let requests: Requests
    let connections: Connections
    let hubs: [Hub]
    /// What wants attention, the most severe first.
    let attention: [Attention]
}

/// Something that an operator should look at.
struct Attention: Codable, Sendable {
    enum Severity: String, Codable, Sendable, CaseIterable { case critical, warning, notice }

    /// A text that stays the same as long as the matter does.
    let key: String
    let severity: Severity
    let title: String
    var detail = ""
    /// What to do about it.
    let remedy: String
    var count: Int?
    var lastSecondsAgo: Int?
    var stack: [String]?
}
