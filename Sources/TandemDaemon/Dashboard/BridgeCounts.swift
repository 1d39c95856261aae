internal import Synchronization
internal import Tandem

/// The latest calls across the bridges of each hub. A hub that does not answer keeps its counts, so that they never go back. Any thread.
final class BridgeCounts: Sendable {
    private let sites = Mutex<[ObjectIdentifier: [BridgeSite]]>([:])

    /// Takes in the answers of hubs, and returns the counts of all of them.
    func latest(_ answers: [(hub: Hub, answer: [BridgeSite]?)]) -> [BridgeSite] {
        sites.withLock { sites in
            var latest: [ObjectIdentifier: [BridgeSite]] = [:]
            for (hub, answer) in answers {
                let key = ObjectIdentifier(hub)
                latest[key] = answer ?? sites[key]
            }
            sites = latest
            return latest.values.flatMap { $0 }
        }
    }
}
