public import Tandem

/// Runs `body` on a hub of its own whose clock is virtual: sleeps, deadlines and timers in both styles take no time, and
/// come in the order of their times.
///
/// The clock stands still while anything can run and jumps to the next deadline when nothing can; `Hub.now` reads it. What
/// comes from elsewhere (other threads, `Task.sleep`, `offload`, other processes) takes no virtual time, and may be
/// overtaken by a deadline.
///
///     try await withVirtualTime {
///         let start = Hub.current!.now
///         try await sleep(for: .seconds(3600))
///         #expect(Hub.current!.now - start == .seconds(3600))
///     }
///
/// When everybody waits for everybody else, `body` is cancelled, so that a deadlock ends the test and does not hang it.
///
/// - Parameters:
///   - seed: When given, draws the order in which ready tasks and green threads run. The same seed gives the same order
///     again, as long as nothing comes from elsewhere.
///   - configuration: How else the hub is set up; its clock and order are replaced. `stuckThreshold`, in real time, says
///     after how long without anything to do it is a deadlock.
/// - Throws: What `body` throws; `Deadlock`, with who waits for what; `TandemError` when the kernel refuses what a hub needs.
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
    // On no hub, or the hub would not be stuck.
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

/// On a hub with a virtual clock, all wait, and nothing is left that could wake any of them.
public struct Deadlock: Error, CustomStringConvertible {
    /// Who waits for what.
    public let waiters: String

    /// The same.
    public var description: String { waiters }
}
