import Glibc
import Synchronization
import Tandem
import TandemPatch

struct Failure: Error { let message: String }

func check(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw Failure(message: "\(message()) (errno \(errno): \(String(cString: strerror(errno))))") }
}

/// A hub whose watchdog counts holds of 100 ms.
let watched: HubConfiguration = {
    var configuration = HubConfiguration()
    configuration.stallThreshold = .milliseconds(100)
    // Only the count of holds matters.
    configuration.onReport = { if $0.kind != .stalled, $0.kind != .stallEnded { print($0) } }
    return configuration
}()

/// Runs `client` on one green thread of the hub, then on `count` of them. Prints both times, the longest hold of the hub, how often the
/// watchdog has seen it held, and the calls of libc.
func measure(
    _ name: String, count: Int, _ client: @escaping @Sendable () throws -> Void
) async throws -> (alone: Duration, together: Duration) {
    let clock = ContinuousClock()
    let alone = try await clock.measure { _ = try await spawn { try client() }.wait() }
    var together = Duration.zero
    let hold = try await longestHold {
        together = try await clock.measure {
            let threads = (0..<count).map { _ in spawn { try client() } }
            for thread in threads { _ = try await thread.wait() }
        }
    }
    let stalls = Hub.current?.statistics.stalls ?? 0
    print("\(name): alone \(alone), \(count) together \(together), longest hold \(hold), held for 100 ms \(stalls) times")
    for count in TandemPatch.report() {
        print(
            "  \(count.function): \(count.calls) calls, \(count.waits) waits, \(count.offloads) on OS threads, \(count.holds) holds"
        )
    }
    return (alone, together)
}

/// Returns the longest time for which the hub ran nothing else during `body`.
func longestHold(during body: () async throws -> Void) async throws -> Duration {
    let clock = ContinuousClock()
    // The longest time between two ticks, and the last tick.
    let ticks = Mutex((longest: Duration.zero, last: clock.now))
    @Sendable func tick() -> Duration {
        ticks.withLock { ticks in
            ticks = (max(ticks.longest, clock.now - ticks.last), clock.now)
            return ticks.longest
        }
    }
    let ticking = spawn {
        while true {
            try await sleep(for: .milliseconds(1))
            _ = tick()
        }
    }
    defer { ticking.cancel() }
    try await body()
    return tick()
}
