internal import Tandem
internal import TandemPatch

/// Hub dumps as text and as JSON, and once the calls of libc on green stacks, with their callers. Symbol lookup takes milliseconds: do
/// not call these functions on a hub.
enum DumpText {
    static func text(_ dumps: [(hub: String, dump: HubDump?)], _ legacy: [TandemPatch.Count], upTo limit: Int) -> String {
        var text = ""
        for (hub, dump) in dumps { text += dump?.ownText ?? "\(hub): \(silence)\n" }
        if !legacy.isEmpty { text += "calls of libc on green stacks, since the start:\n" }
        for count in legacy { text += "  \(count)\n" }
        guard text.utf8.count > limit else { return text }
        return String(decoding: text.utf8.prefix(limit), as: UTF8.self) + "\n... cut\n"
    }

    static func json(_ dumps: [(hub: String, dump: HubDump?)], _ legacy: [TandemPatch.Count]) -> JSON {
        [
            "hubs": .array(
                dumps.map { hub, dump in dump.map { json(hub, $0) } ?? ["hub": .string(hub), "error": .string(silence)] }),
            "legacy": .array(
                legacy.map { count in
                    [
                        "function": .string(count.function), "calls": number(count.calls), "waits": number(count.waits),
                        "offloads": number(count.offloads), "holds": number(count.holds),
                        "longestHoldMicroseconds": .integer(Int(count.longestHold / .microseconds(1))),
                        "callers": .array(
                            count.callers.prefix(listedCallers).map {
                                [
                                    "caller": .string($0.description),
                                    "calls": number($0.calls), "waits": number($0.waits), "offloads": number($0.offloads),
                                    "holds": number($0.holds),
                                ]
                            }),
                    ]
                }),
        ]
    }

    private static func json(_ hub: String, _ dump: HubDump) -> JSON {
        [
            "hub": .string(hub),
            "greenThreads": .array(
                dump.greenThreads.map {
                    ["number": .integer($0.number), "name": .string($0.name), "state": .string($0.state)]
                }),
            "tasks": .array(dump.tasks.map { ["name": .string($0.name), "state": .string($0.state)] }),
            "locals": .array(dump.locals.map { .string($0) }),
            "omitted": .integer(dump.omitted),
        ]
    }

    private static func number(_ count: UInt64) -> JSON { .integer(Int(clamping: count)) }

    /// The callers per function; the others wait less.
    private static let listedCallers = 8

    private static let silence = """
        does not answer: code holds it. With hub.stall-threshold-ms the log says which, and where it is.
        """
}
