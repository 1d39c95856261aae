internal import Tandem

/// What lives on a hub and has to end with a test.
struct Leftovers: Sendable {
    private let greenThreads: Int, tasks: Int, descriptors: Int

    @concurrent static func now(on hub: Hub) async -> Leftovers {
        await hub.visit { Leftovers(hub.statistics) }
    }

    private init(_ statistics: HubStatistics) {
        (greenThreads, tasks, descriptors) = (statistics.greenThreads, statistics.tasks, statistics.descriptors)
    }

    /// Waits until no more lives on the current hub than before, at most 5 seconds; then says what does. Not in a task that
    /// the hub has listed.
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

/// Something that a server's handlers had started still lived when its test had ended.
public struct LeftBehind: Error, CustomStringConvertible {
    /// How many of what.
    public let what: String
    /// Everybody on the hub, with what they wait for: `Hub.dump`.
    public let dump: String

    /// What is left, and where to look.
    public var description: String {
        """
        left on the hub when the test had ended: \(what). Wait for what a handler starts before it returns, or cancel it, and \
        close what it opens.
        \(dump)
        """
    }
}
