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
/// - Parameters:
///   - seed: When given, draws the order in which ready tasks and green threads run. The same seed gives the same order
///     again, as long as nothing comes from elsewhere.
///   - configuration: How else the hub is set up; its clock and order are replaced.
/// - Throws: What `body` throws; `TandemError` when the kernel refuses what a hub needs.
public func withVirtualTime<Success: Sendable>(
    seed: UInt64? = nil, _ configuration: HubConfiguration = HubConfiguration(),
    _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    var configuration = configuration
    configuration.clock = .virtual
    configuration.order = seed.map { .seeded($0) } ?? .arrival
    configuration.name = "virtual"
    let group = try HubGroup(count: 1, configuration: configuration)
    let outcome = await group.hubs[0].spawn(name: "virtual time", body).result
    await group.shutdown()
    return try outcome.get()
}
