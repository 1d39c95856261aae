internal import Glibc
internal import Tandem

/// A writer of hub dumps, which list every green thread and task.
struct HubDumps: Sendable {
    /// The time that a hub has to answer. A hub that is only busy answers within it.
    private static let patience: Duration = .seconds(1)

    private let inquiry = HubInquiry()

    /// Queries every hub, and writes the answers to `output`. A hub that does not answer is inspected from outside instead. Must
    /// be called on the supervising hub.
    func write(_ hubs: [Hub], to output: CInt) async {
        // The calls of libc are those of the process, so one dump lists them.
        var listsCalls = true
        for (hub, dump) in await inquiry.ask(hubs, within: Self.patience, { $0.dump() }) {
            let withCalls = listsCalls
            listsCalls = listsCalls && dump == nil
            // Symbol lookup takes milliseconds, and a write to a slow reader may take longer.
            _ = try? await offload {
                Self.put(dump.map { withCalls ? $0.description : $0.ownText } ?? Self.silence(of: hub), output)
            }
        }
    }

    private static func silence(of hub: Hub) -> String {
        hub.sighting()?.description ?? "\(hub.shownName): does not answer, and lets nobody look: see hub.stall-threshold-ms"
    }

    private static func put(_ text: String, _ output: CInt) {
        var rest = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(count, 0))
        }
    }
}
