internal import Tandem

/// The calls across the bridges of all hubs, as text and as JSON, for `/debug/bridges`.
struct BridgesText {
    private let sites: [BridgeSite]
    private let silentHubs: [String]

    /// Adds up the answers of the hubs; nil is the answer of a hub that does not respond.
    init(_ answers: [(hub: String, sites: [BridgeSite]?)]) {
        silentHubs = answers.filter { $0.sites == nil }.map(\.hub)
        var sums: [BridgeSite: UInt64] = [:]
        for site in answers.flatMap({ $0.sites ?? [] }) {
            var key = site
            key.calls = 0
            sums[key, default: 0] += site.calls
        }
        sites = sums.map { site, calls in
            var sum = site
            sum.calls = calls
            return sum
        }.sorted { $0.precedes($1) }
    }

    var json: JSON {
        [
            "sites": .array(
                sites.map { site in
                    [
                        "direction": .string(site.direction.rawValue), "file": .string(site.file), "line": .integer(site.line),
                        "greenThread": .string(site.greenThread), "calls": .integer(Int(clamping: site.calls)),
                    ]
                }),
            "hubsWithoutAnswer": .array(silentHubs.map { .string($0) }),
        ]
    }

    /// A line per site: the number of calls since the start, the direction, the place and the green thread.
    var text: String {
        guard !sites.isEmpty || !silentHubs.isEmpty else { return "no call has crossed a bridge\n" }
        let calls = sites.map { "\($0.calls)" }
        let places = sites.map { "\($0.file):\($0.line)" }
        let (callsWidth, placeWidth) = (calls.map(\.count).max() ?? 0, places.map(\.count).max() ?? 0)
        let lines = sites.indices.map { index in
            let site = sites[index]
            let direction = padded(site.direction.rawValue, to: BridgeSite.Direction.toBlocking.rawValue.count)
            let count = String(repeating: " ", count: callsWidth - calls[index].count) + calls[index]
            return "\(count)  \(direction)  \(padded(places[index], to: placeWidth))  \(site.greenThread)\n"
        }
        return lines.joined() + silentHubs.map { "\($0) does not answer\n" }.joined()
    }

    private func padded(_ text: String, to width: Int) -> String { text + String(repeating: " ", count: width - text.count) }
}
