internal import Glibc
internal import Testing

@testable import Tandem

/// Each cell of the table in docs/cancellation.md, with every kind of waiter.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct CancellationMatrixTests {
    static let rows = Situation.allCases.flatMap { situation in Cause.allCases.map { Row(situation, $0) } }

    struct Row: Hashable, Sendable, CustomTestStringConvertible {
        let situation: Situation
        let cause: Cause

        init(_ situation: Situation, _ cause: Cause) { (self.situation, self.cause) = (situation, cause) }

        var testDescription: String { "\(cause.rawValue), \(situation.rawValue)" }
    }

    @Test(arguments: rows.filter { $0.situation.expected($0.cause) != nil }, [Caller.green, .asynchronous, .thread])
    func `body and waiter see the outcome in the table, and nothing is left behind`(row: Row, waiter: Caller) async throws {
        try await Self.check(row, waiter, HubConfiguration())
    }

    /// Runs on a virtual clock, so that a failing seed fails again. Situations that need other threads are left out: they take no
    /// time there, and may happen in any order.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `the table holds for every order in which tasks and green threads run`(seed: UInt64) async throws {
        var configuration = HubConfiguration()
        configuration.clock = .virtual
        configuration.order = .seeded(seed)
        for row in Self.rows where row.situation.expected(row.cause) != nil && !row.situation.needsThreads {
            for waiter in Caller.cancellable {
                try await Self.check(row, waiter, configuration, "seed \(seed): \(row.testDescription), \(waiter)")
            }
        }
    }

    private static func check(
        _ row: Row, _ waiter: Caller, _ configuration: HubConfiguration, _ comment: Comment? = nil
    ) async throws {
        let expected = row.situation.expected(row.cause)!
        try await onHub(configuration) {
            let scene = Scene(row.situation, row.cause)
            let gets =
                row.cause == .timeout ? await Self.timeOut(scene, waiter) : try await Self.strike(scene, waiter)
            let sees = scene.saw.all.first ?? (scene.cleanups.value == 0 ? "never runs" : "nothing")
            #expect(Outcome(sees, gets) == expected, comment)
            #expect(scene.saw.count <= 1, comment)
            #expect(scene.cleanups.value == (sees == "never runs" ? 0 : 1), comment)
            #expect(!Task.isCancelled, comment)
        }
    }

    /// A green thread runs the body, and the waiter waits for that thread.
    private static func strike(_ scene: Scene, _ waiter: Caller) async throws -> String {
        let thread = GreenThread(name: "victim", after: scene.situation == .delayed ? forever : .zero) { try scene.body() }
        scene.itself.send(thread)
        async let gets = describe { try await waiter.call({ try await thread.wait() }, blocking: { try thread.wait() }) }
        switch scene.situation {
        case .beforeStart: break
        case .delayed: try await turnUntil { Hub.counts.timers > 0 }
        case .awaitingFirst:
            // The situation brings about its own end.
            return await gets
        default: try await scene.entered.wait()
        }
        if scene.situation != .beforeStart {
            try await turnUntil { thread.completion.waiting == 1 }
        }
        try scene.strike(scene.cause)
        if scene.situation == .again || scene.situation == .againOtherwise {
            try await scene.caughtFirst.wait()
            let other = scene.cause == .cancel ? Cause.cancelThrowing : .cancel
            try scene.strike(scene.situation == .again ? scene.cause : other)
            scene.second.send(())
        }
        return await gets
    }

    /// A scope runs the body, and the waiter is the caller that opened it.
    private static func timeOut(_ scene: Scene, _ waiter: Caller) async -> String {
        let limit = scene.situation.limit
        guard scene.situation != .again else { return await timeOutTwice(scene, waiter) }
        return await describe {
            try await waiter.call(
                { try await withTimeout(limit) { try await blocking { try scene.body() } } },
                blocking: { try withTimeout(limit) { try scene.body() } })
        }
    }

    /// The inner of two scopes expires, and then the outer one while the body cleans up.
    private static func timeOutTwice(_ scene: Scene, _ waiter: Caller) async -> String {
        await describe {
            try await waiter.call(
                {
                    try await withTimeout(.milliseconds(4)) {
                        try await withTaskCancellationHandler {
                            try await withTimeout(.milliseconds(1)) { try await blocking { try scene.body() } }
                        } onCancel: {
                            scene.second.send(())
                        }
                    }
                },
                blocking: {
                    try withTimeout(.milliseconds(4)) {
                        try awaiting {
                            try await withTaskCancellationHandler {
                                try await blocking { try withTimeout(.milliseconds(1)) { try scene.body() } }
                            } onCancel: {
                                scene.second.send(())
                            }
                        }
                    }
                })
        }
    }

    private static func describe(_ body: () async throws -> String) async -> String {
        do { return try await body() } catch { return Outcome.name(error) }
    }

    // MARK: The page

    @Test func `the page's table matches the tests, situation by situation and cause by cause`() throws {
        let table = try Self.tables(of: "docs/cancellation.md").first { $0[0][0] == "where the body is" }
        let rows = try #require(table)
        #expect(Array(rows[0].dropFirst()) == Cause.allCases.map(\.rawValue))
        #expect(rows.dropFirst().map { $0[0] } == Situation.allCases.map(\.rawValue))
        for (row, situation) in zip(rows.dropFirst(), Situation.allCases) {
            #expect(Array(row.dropFirst()) == Cause.allCases.map { situation.expected($0)?.description ?? "–" })
        }
    }

    @Test func `the page names each meaningless combination with its reason, and no other`() throws {
        let table = try Self.tables(of: "docs/cancellation.md").first { $0[0] == ["without meaning", "when", "because"] }
        var named: [Row] = []
        for row in try #require(table).dropFirst() {
            let cause = try #require(Cause(rawValue: row[1]))
            #expect(!row[2].isEmpty)
            for name in row[0].split(separator: "; ") { named.append(Row(try #require(Situation(rawValue: "\(name)")), cause)) }
        }
        let meaningless = Self.rows.filter { $0.situation.expected($0.cause) == nil }
        #expect(named.count == meaningless.count)
        #expect(Set(named) == Set(meaningless))
    }

    /// The tables of a page of this repository, each as rows of cells, with the header first.
    private static func tables(of page: String, here: StaticString = #filePath) throws -> [[[String]]] {
        let resolved = try #require(realpath("\(here)", nil))
        defer { free(resolved) }
        let root = String(cString: resolved).components(droppingLast: 4)
        let file = try #require(fopen("\(root)/\(page)", "r"))
        defer { fclose(file) }
        var tables: [[[String]]] = [[]]
        var (line, size): (UnsafeMutablePointer<CChar>?, Int) = (nil, 0)
        defer { free(line) }
        while getline(&line, &size, file) > 0 {
            let text = String(cString: line!)
            guard text.hasPrefix("|") else {
                if !tables.last!.isEmpty { tables.append([]) }
                continue
            }
            guard !text.hasPrefix("| ---") else { continue }
            tables[tables.count - 1].append(
                text.split(separator: "|").dropLast().map { cell in
                    String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
                })
        }
        return tables.filter { !$0.isEmpty }
    }
}

extension String {
    fileprivate func components(droppingLast count: Int) -> String {
        split(separator: "/", omittingEmptySubsequences: false).dropLast(count).joined(separator: "/")
    }
}
