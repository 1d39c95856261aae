internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// Counts what waits on the hubs, for all viewers together. Must be used on the supervising hub.
///
/// A census takes time of a serving hub, so each is used for at least a second, and for 100 times as long as it took: viewers cost a hub
/// at most 1 % of its time, however many they are. Requests for members and stacks wait for each other, at the same pace.
final class WaitingReader: Sendable {
    /// What a request asks for. `hub` and `style` are exact; in `read` `what` and `name` are parts of the texts, compared without case.
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
    /// The time limit of a request, with its wait for others.
    private static let limit = Duration.seconds(5)

    private struct Entry: Sendable {
        /// nil if the hub did not answer.
        let census: HubCensus?
        let goodUntil: ContinuousClock.Instant
    }

    private let inquiry: HubInquiry
    private let hubs: @Sendable () -> [Hub]
    private let pool: OffloadPool
    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    private let pace: Pace

    init(_ hubs: @escaping @Sendable () -> [Hub], pool: OffloadPool, pace: Pace, asking inquiry: HubInquiry) {
        self.hubs = hubs
        self.pool = pool
        self.pace = pace
        self.inquiry = inquiry
    }

    /// Returns groups of all hubs.
    func read(_ query: Query) async throws -> WaitingState {
        let answers = try await censuses()
        // Sorts up to 1,000 groups per hub.
        return try await pool.run(deadline: .after(Self.limit)) {
            WaitingState(answers.map { ($0.hub.shownName, $0.census) }, query)
        }
    }

    /// Returns members of the group with exactly these texts; nil if the hub does not answer.
    ///
    /// - Throws: `HTTPError` 404 if there is no such hub.
    func members(_ group: Query, style: HubCensus.Style) async throws -> WaitingRows? {
        let hub = try hub(named: group.hub)
        let answer = try await pace.run { [inquiry] in
            let answer = await inquiry.askAtLength([hub], within: .seconds(1)) { hub in
                await hub.members(
                    style: style, name: group.name, state: group.what, from: group.after, atMost: group.limit)
            }[0].answer
            return (answer, cost: answer?.cost ?? .zero)
        }
        return answer.map { members, hasMore, _ in
            WaitingRows(
                rows: members.map {
                    WaitingRows.Row(
                        thread: $0.thread, descriptor: $0.descriptor, milliseconds: $0.time.map { Int($0 / .milliseconds(1)) })
                },
                next: hasMore ? group.after + members.count : nil)
        }
    }

    /// Returns a green thread with its stack; nil if the hub does not answer.
    ///
    /// - Throws: `HTTPError` 404 if there is no such hub or green thread.
    func stack(hub name: String, thread: Int) async throws -> WaitingStack? {
        let hub = try hub(named: name)
        let answer = try await pace.run { [inquiry] in
            let answer = await inquiry.ask([hub], within: .seconds(1)) { hub in
                let began = ContinuousClock.now
                return (entry: hub.greenThread(numbered: thread), cost: ContinuousClock.now - began)
            }[0].answer
            return (answer, cost: answer?.cost ?? .zero)
        }
        guard let answer else { return nil }
        guard let entry = answer.entry else {
            throw HTTPError(.notFound, "\(name) has no green thread \(thread): it has ended")
        }
        // Looks up symbols.
        return try await pool.run(deadline: .after(Self.limit)) {
            WaitingStack(hub: name, thread: thread, name: entry.name, state: entry.state, stack: entry.stack.lines)
        }
    }

    private func hub(named name: String) throws(HTTPError) -> Hub {
        let hubs = hubs()
        if let hub = hubs.first(where: { $0.shownName == name }) { return hub }
        let names = hubs.map(\.shownName).joined(separator: ", ")
        throw HTTPError(.notFound, "hub: expected one of \(names), found \(quoted(name))")
    }

    private func censuses() async throws -> [(hub: Hub, census: HubCensus?)] {
        try await pace.run { [self] in
            let hubs = hubs()
            let now = ContinuousClock.now
            let fresh = entries.withLock { entries in
                entries = entries.filter { key, entry in
                    now < entry.goodUntil && hubs.contains { ObjectIdentifier($0) == key }
                }
                return entries
            }
            let stale = hubs.filter { fresh[ObjectIdentifier($0)] == nil }
            let answers = await inquiry.askAtLength(stale, within: .milliseconds(500)) { await $0.census() }
            let taken = answers.map { hub, census in
                // The next tick of a viewer comes after a second, or a little earlier.
                let age = max(.milliseconds(900), (census?.cost ?? .zero) * 100)
                return (ObjectIdentifier(hub), Entry(census: census, goodUntil: now + age))
            }
            let all = fresh.merging(taken) { $1 }
            entries.withLock { $0 = all }
            // A census rests by itself, until the next one.
            return (hubs.map { ($0, all[ObjectIdentifier($0)]?.census) }, cost: .zero)
        }
    }
}

extension WaitingState {
    /// Adds up the answers of hubs; nil is that of a hub that did not answer.
    fileprivate init(_ answers: [(hub: String, census: HubCensus?)], _ query: WaitingReader.Query) {
        let (what, name) = (query.what.lowercased(), query.name.lowercased())
        var found: [Group] = []
        for (hub, census) in answers where query.hub.isEmpty || query.hub == hub {
            for group in census?.groups ?? []
            where (query.style.isEmpty || group.style.rawValue == query.style)
                && (what.isEmpty || group.state.lowercased().contains(what))
                && (name.isEmpty || group.name.lowercased().contains(name))
            {
                found.append(
                    Group(
                        hub: hub, style: group.style.rawValue, what: group.state, name: group.name, count: group.count,
                        oldestMilliseconds: group.longest.map { Int($0 / .milliseconds(1)) }))
            }
        }
        // Both sorts keep the order of equal groups, which is that of the hubs.
        switch query.order {
        case .count: found.sort { $0.count > $1.count }
        case .oldest: found.sort { ($0.oldestMilliseconds ?? -1) > ($1.oldestMilliseconds ?? -1) }
        }
        let counted = answers.compactMap(\.census)
        let end = min(found.count, query.after + query.limit)
        greenThreads = counted.reduce(0) { $0 + $1.greenThreads }
        tasks = counted.reduce(0) { $0 + $1.tasks }
        silentHubs = answers.filter { $0.census == nil }.map(\.hub)
        groupCount = found.count
        omitted = counted.reduce(0) { $0 + $1.omitted }
        groups = Array(found[min(query.after, end)..<end])
        next = end < found.count ? end : nil
    }
}
