public import Tandem

/// Runs `body` once per seed, each time with another order of ready tasks and green threads, until it throws.
///
/// For conditions that must hold in every order. `body` throws when its condition does not hold; the error names the seed,
/// which `withVirtualTime(seed:)` repeats.
///
///     try await exploreOrders(seeds: 0..<200) {
///         let account = Account(balance: 100)
///         ...
///         try #require(await account.balance == 0)
///     }
///
/// - Throws: `OrderFailure` for the first seed with which `body` throws.
public func exploreOrders(
    seeds: Range<UInt64> = 0..<100, _ configuration: HubConfiguration = HubConfiguration(),
    _ body: @escaping @Sendable () async throws -> Void
) async throws(OrderFailure) {
    for seed in seeds {
        do {
            try await withVirtualTime(seed: seed, configuration, body)
        } catch {
            throw OrderFailure(seed: seed, underlying: error)
        }
    }
}

/// The failure of a body in one order of ready tasks and green threads.
public struct OrderFailure: Error, CustomStringConvertible {
    /// The seed that repeats the order.
    public let seed: UInt64
    /// The error that the body has thrown.
    public let underlying: any Error

    /// The error, and how to repeat it.
    public var description: String { "with seed \(seed), which withVirtualTime(seed: \(seed)) replays: \(underlying)" }
}
