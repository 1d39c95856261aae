internal import Synchronization
internal import Tandem

/// The green threads and tasks of all hubs, grouped by what they wait for: `/debug/threads`.
struct WaitingState: Codable, Sendable {
    struct Group: Codable, Sendable {
        let hub: String
        /// The style of the code that waits: "blocking" or "async".
        let style: String
        let what: String
        let name: String
        let count: Int
        let oldestMilliseconds: Int?
    }

    let greenThreads: Int
    let tasks: Int
    /// The hubs that did not answer.
    let silentHubs: [String]
    let groupCount: Int
    /// Green threads and tasks that are in no group.
    let omitted: Int
    let groups: [Group]
    /// The offset of the next page; nil on the last.
    let next: Int?
}

/// The members of one group: `/debug/threads/rows`.
struct WaitingRows: Codable, Sendable {
    struct Row: Codable, Sendable {
        let thread: Int?
        let descriptor: Int?
        let milliseconds: Int?
    }

    let rows: [Row]
    let next: Int?
}

/// One green thread: `/debug/threads/stack`.
struct WaitingStack: Codable, Sendable {
    let hub: String
    let thread: Int
    let name: String
    let state: String
    let stack: [String]
}

/// Counts what waits on the hubs, for all readers together.
///
/// A census takes time of a serving hub, so each is used for at least a second, and for 100 times as long as it took: looking costs a hub
/// at most 1 % of its time, however many look.
final class WaitingReader: Sendable {
    /// What a reader asks for. The texts are searched without regard to case.
    struct Query: Sendable {
        /// The order of the groups.
        enum Order: String, CaseIterable, Sendable { case count, oldest }

        var hub = "", style = "", what = "", name = ""
        var order = Order.count
        var limit = WaitingReader.most
        var after = 0
    }

    /// The maximum number of groups or members in an answer.
    static let most = 200

    private struct Entry: Sendable {
        let census: HubCensus
        let goodUntil: ContinuousClock.Instant
    }

    private let inquiry: HubInquiry
    private let hubs: @Sendable () -> [Hub]
    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    /// One reader at a time asks the hubs.
    private let asking = Semaphore(1)

    init(_ hubs: @escaping @Sendable () -> [Hub], asking inquiry: HubInquiry) {
        self.hubs = hubs
        self.inquiry = inquiry
    }

    func read(_ query: Query) async throws -> WaitingState {
        let answers = try await censuses()
        let (what, name) = (query.what.lowercased(), query.name.lowercased())
        var groups: [WaitingState.Group] = []
        for (hub, census) in answers where query.hub.isEmpty || query.hub == hub.shownName {
            for group in census?.groups ?? []
            where (query.style.isEmpty || group.style.rawValue == query.style)
                && (what.isEmpty || group.state.lowercased().contains(what))
                && (name.isEmpty || group.name.lowercased().contains(name))
            {
                groups.append(
                    WaitingState.Group(
                        hub: hub.shownName, style: group.style.rawValue, what: group.state, name: group.name, count: group.count,
                        oldestMilliseconds: group.longest.map { Int($0 / .milliseconds(1)) }))
            }
        }
        // Both sorts keep the order of equal groups, which is that of the hubs.
        switch query.order {
        case .count: groups.sort { $0.count > $1.count }
        case .oldest: groups.sort { ($0.oldestMilliseconds ?? -1) > ($1.oldestMilliseconds ?? -1) }
        }
        let counted = answers.compactMap(\.census)
        let end = min(groups.count, query.after + query.limit)
        return WaitingState(
            greenThreads: counted.reduce(0) { $0 + $1.greenThreads }, tasks: counted.reduce(0) { $0 + $1.tasks },
            silentHubs: answers.filter { $0.census == nil }.map(\.hub.shownName), groupCount: groups.count,
            omitted: counted.reduce(0) { $0 + $1.omitted }, groups: Array(groups[min(query.after, end)..<end]),
            next: end < groups.count ? end : nil)
    }

    /// Returns members of a group; nil if the hub does not exist or did not answer.
    func members(_ group: Query, style: HubCensus.Style) async -> WaitingRows? {
        guard let hub = hub(named: group.hub) else { return nil }
        let answer = await inquiry.ask([hub], within: .seconds(1)) { hub in
            await hub.members(
                style: style, name: group.name, state: group.what, from: group.after, atMost: group.limit)
        }[0].answer
        return answer.map { members, hasMore in
            WaitingRows(
                rows: members.map {
                    WaitingRows.Row(
                        thread: $0.thread, descriptor: $0.descriptor, milliseconds: $0.time.map { Int($0 / .milliseconds(1)) })
                },
                next: hasMore ? group.after + members.count : nil)
        }
    }

    /// Returns a green thread with its stack; nil if there is none with this number, or the hub did not answer.
    func stack(hub name: String, thread: Int) async throws -> WaitingStack? {
        guard let hub = hub(named: name),
            let answer = await inquiry.ask([hub], within: .seconds(1), { $0.greenThread(numbered: thread) })[0].answer,
            let entry = answer
        else { return nil }
        // Looks up symbols.
        return try await offload {
            WaitingStack(hub: name, thread: thread, name: entry.name, state: entry.state, stack: entry.stack.lines)
        }
    }

    private func hub(named name: String) -> Hub? { hubs().first { $0.shownName == name } }

    private func censuses() async throws -> [(hub: Hub, census: HubCensus?)] {
        try await asking.withPermit { [self] in
            let hubs = hubs()
            let now = ContinuousClock.now
            let fresh = entries.withLock { entries in
                entries = entries.filter { key, _ in hubs.contains { ObjectIdentifier($0) == key } }
                return entries.filter { now < $0.value.goodUntil }
            }
            let stale = hubs.filter { fresh[ObjectIdentifier($0)] == nil }
            let answers = await inquiry.ask(stale, within: .milliseconds(500)) { await $0.census() }
            var censuses = fresh.mapValues(\.census)
            for (hub, census) in answers {
                guard let census else { continue }
                let key = ObjectIdentifier(hub)
                // The next tick of a viewer comes after a second, or a little earlier.
                let entry = Entry(census: census, goodUntil: now + max(.milliseconds(900), census.cost * 100))
                censuses[key] = census
                entries.withLock { $0[key] = entry }
            }
            return hubs.map { ($0, censuses[ObjectIdentifier($0)]) }
        }
    }
}
