internal import Glibc
internal import Tandem

/// Writes what everybody on the hubs is doing, for whoever wonders what the service waits for.
struct HubDumps: Sendable {
    /// How long a hub has to answer. One that is merely busy does.
    private static let patience: Duration = .seconds(1)

    private let inquiry = HubInquiry()

    /// Asks every hub, and writes the answers to `output`. Takes a moment of each hub; one that does not answer is looked at from
    /// outside. On the supervising hub.
    func write(_ hubs: [Hub], to output: CInt) async {
        for (hub, dump) in await inquiry.ask(hubs, within: Self.patience, { $0.dump() }) {
            // Names of functions take milliseconds to find, and a log that nobody reads may take no more.
            _ = try? await offload { Self.put(dump?.description ?? Self.silence(of: hub), output) }
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
