public import Tandem

/// Runs `body` once a seed, each time in another order of what is ready, until it throws.
///
/// For what must hold in whichever order tasks and green threads get their turns. `body` should throw when it does not
/// hold; the error says which seed to replay by `withVirtualTime(seed:)`.
///
///     try await exploreOrders(seeds: 0..<200) {
///         let account = Account(balance: 100)
///         ...
///         try #require(await account.balance == 0)
///     }
///
/// - Throws: `OrderFailure`, at the first seed with which `body` throws.
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

/// What failed in one order of what was ready, and how to have that order again.
public struct OrderFailure: Error, CustomStringConvertible {
    /// The seed to replay it by.
    public let seed: UInt64
    /// What the body threw.
    public let underlying: any Error

    /// What failed, and the remedy.
    public var description: String { "with seed \(seed), which withVirtualTime(seed: \(seed)) replays: \(underlying)" }
}
