internal import Glibc
internal import Tandem

/// Writes what everybody on the hubs is doing, for whoever wonders what the service waits for.
enum HubDumps {
    /// How long a hub has to answer. One that is merely busy does.
    private static let patience: Duration = .seconds(1)

    /// Asks every hub, and writes the answers to `output`. Takes a moment of each hub; one that does not answer is looked at from
    /// outside. On the supervising hub.
    static func write(_ hubs: [Hub], to output: CInt) async {
        let asked = hubs.map { hub in
            let answer = Event<HubDump>()
            hub.spawn(name: "hub dump") { answer.send(hub.dump()) }
            return (hub, answer)
        }
        let deadline = Deadline.after(patience)
        for (hub, answer) in asked {
            let dump = try? await answer.wait(deadline: deadline)
            // Names of functions take milliseconds to find, and a log that nobody reads may take no more.
            _ = try? await offload { put(dump?.description ?? silence(of: hub), output) }
        }
    }

    private static func silence(of hub: Hub) -> String {
        let name = "\(hub.configuration.name)-\(hub.index)"
        return hub.sighting()?.description ?? "\(name): does not answer, and lets nobody look: see hub.stall-threshold-ms"
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
