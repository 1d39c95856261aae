internal import Tandem

/// Counts of what lives on a hub and must end with a test.
struct Leftovers: Sendable {
    private let greenThreads: Int, tasks: Int, descriptors: Int

    @concurrent static func now(on hub: Hub) async -> Leftovers {
        await hub.visit { Leftovers(hub.statistics) }
    }

    private init(_ statistics: HubStatistics) {
        (greenThreads, tasks, descriptors) = (statistics.greenThreads, statistics.tasks, statistics.descriptors)
    }

    /// Waits up to 5 seconds until no more lives on the current hub than before. Then returns the leftovers. Must not be called
    /// in a task that the hub counts.
    static func settle(to before: Leftovers) async -> LeftBehind? {
        let hub = Hub.current!
        let end = Deadline.after(.seconds(5))
        var pause = Duration.nanoseconds(1)
        while true {
            let more = Leftovers(hub.statistics).description(beyond: before)
            guard let more else { return nil }
            if end < .after(.zero) { return LeftBehind(what: more, dump: "\(hub.dump())") }
            try? await sleep(for: pause)
            pause = min(pause * 2, .milliseconds(10))
        }
    }

    private func description(beyond before: Leftovers) -> String? {
        let more = [
            (greenThreads - before.greenThreads, "green thread(s)"), (tasks - before.tasks, "task(s)"),
            (descriptors - before.descriptors, "descriptor(s)"),
        ].filter { $0.0 > 0 }
        return more.isEmpty ? nil : more.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }
}

/// The error for green threads, tasks or descriptors that handlers have started or opened and that outlive their test.
public struct LeftBehind: Error, CustomStringConvertible {
    /// The number of leftovers of each kind.
    public let what: String
    /// Everything on the hub, with what it waits for: `Hub.dump`.
    public let dump: String

    /// The leftovers, and the remedy.
    public var description: String {
        """
        left on the hub when the test had ended: \(what). A handler must wait for what it starts or cancel it, and close what it \
        opens.
        \(dump)
        """
    }
}
