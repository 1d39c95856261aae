public import Tandem

/// Runs `body` on a new hub with a virtual clock: sleeps, deadlines and timers in both styles take no real time, and end in the
/// order of their times.
///
/// The clock stands still while anything can run, and jumps to the next deadline when nothing can; `Hub.now` reads it. The work
/// of other threads, `Task.sleep`, `offload` and other processes takes no virtual time, and a deadline may end before it.
///
///     try await withVirtualTime {
///         let start = Hub.current!.now
///         try await sleep(for: .seconds(3600))
///         #expect(Hub.current!.now - start == .seconds(3600))
///     }
///
/// In a deadlock `body` is cancelled, so that the test ends.
///
/// - Parameters:
///   - seed: The seed of the order in which ready tasks and green threads run; nil for the order of arrival. The same seed gives
///     the same order, except for events from other threads.
///   - configuration: The hub's other settings; its clock and order are replaced. `stuckThreshold` is the real time without
///     anything to do after which the hub is in a deadlock.
///   - body: The code to run on a hub with virtual time.
/// - Throws: The error that `body` throws; `Deadlock`; `TandemError` when the kernel refuses what a hub needs.
public func withVirtualTime<Success: Sendable>(
    seed: UInt64? = nil, _ configuration: HubConfiguration = HubConfiguration(),
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    let stuck = Event<String>()
    let onReport = configuration.onReport
    var configuration = configuration
    configuration.clock = .virtual
    configuration.order = seed.map { .seeded($0) } ?? .arrival
    configuration.name = "virtual"
    configuration.onReport = { report in
        onReport?(report)
        if report.kind == .stuck { stuck.send(report.message) }
    }
    let group = try HubGroup(count: 1, configuration: configuration)
    let task = group.hubs[0].spawn(name: "virtual time", body)
    // Not on the hub, which would then not be stuck.
    let watch = Task.detached {
        guard (try? await stuck.wait()) != nil else { return }
        task.cancel()
    }
    let outcome = await task.result
    watch.cancel()
    await group.shutdown()
    if case .failure(let error) = outcome, error is CancellationError, let waiters = try? stuck.outcome?.get() {
        throw Deadlock(waiters: waiters)
    }
    return try outcome.get()
}

/// A deadlock on a hub with a virtual clock: everything waits, and nothing is left that could end a wait.
public struct Deadlock: Error, CustomStringConvertible {
    /// The calls that wait, and the events that they wait for.
    public let waiters: String

    /// The text of `waiters`.
    public var description: String { waiters }
}
