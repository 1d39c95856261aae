internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubGroupTests {
    @Test func `each hub has its own thread, and work stays on its hub`() async throws {
        let group = try HubGroup(count: 4)
        #expect(group.hubs.map(\.index) == [0, 1, 2, 3])
        let threads = try await withThrowingTaskGroup(of: Set<Int>.self) { tasks in
            for hub in group.hubs {
                tasks.addTask {
                    try await hub.spawn {
                        var threads: Set<Int> = []
                        for _ in 0..<100 {
                            threads.insert(GreenThreadIdentity.osThread)
                            try await sleep(for: .zero)
                            threads.insert(await blocking { GreenThreadIdentity.osThread })
                            threads.insert(try await GreenThread { GreenThreadIdentity.osThread }.wait())
                        }
                        try await Task.sleep(for: .milliseconds(1))
                        threads.insert(GreenThreadIdentity.osThread)
                        return threads
                    }.value
                }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(threads.allSatisfy { $0.count == 1 })
        #expect(threads.reduce(into: Set()) { $0.formUnion($1) }.count == 4)
        await group.shutdown()
    }

    @Test func `nextHub distributes evenly, from any thread`() async throws {
        let group = try HubGroup(count: 3)
        let asked = Recorder<Int>()
        try await withThrowingTaskGroup { tasks in
            for _ in 0..<4 { tasks.addTask { try await onThread { for _ in 0..<300 { asked.add(group.nextHub().index) } } } }
            try await tasks.waitForAll()
        }
        for index in 0..<3 { #expect(asked.all.count { $0 == index } == 400) }
        await group.shutdown()
    }

    @Test(arguments: [false, true])
    func `shutdown cancels and waits for live work, and can be repeated`(blocks: Bool) async throws {
        let group = try HubGroup(count: 3)
        let started = Counter()
        let unwound = Counter()
        for hub in group.hubs {
            for _ in 0..<10 {
                GreenThread(on: hub) {
                    started.add()
                    do { try sleep(for: forever) } catch { unwound.add() }
                }
                hub.spawn {
                    started.add()
                    do { try await sleep(for: forever) } catch { unwound.add() }
                }
            }
        }
        while started.value < 60 { try await Task.sleep(for: .milliseconds(1)) }
        for _ in 0..<2 { if blocks { try await onThread { group.shutdown() } } else { await group.shutdown() } }
        #expect(unwound.value == 60)
        await #expect(throws: TandemError(.hubStopped, "")) { try await group.hubs[0].spawn {}.value }
    }

    @Test func `two callers may shut a group down at once`() async throws {
        let group = try HubGroup(count: 2)
        await withTaskGroup { tasks in
            for _ in 0..<4 { tasks.addTask { await group.shutdown() } }
        }
    }

    @Test func `a group without hubs is refused`() {
        #expect(throws: TandemError(.invalidArgument, "")) { _ = try HubGroup(count: 0) }
    }

    @Test func `a hub cannot wait for its own shutdown`() async {
        await #expect(processExitsWith: .failure) {
            let group = try HubGroup(count: 1)
            try await group.hubs[0].spawn { await group.shutdown() }.value
        }
    }

    @Test func `hubs send to each other's green threads`() async throws {
        let group = try HubGroup(count: 2)
        // Each green thread passes the ball to the next, alternating between two hubs.
        let balls = (0...2_000).map { _ in Event<Int>() }
        let players = (0..<2).map { side in
            GreenThread(on: group.hubs[side]) {
                for round in stride(from: side, to: 2_000, by: 2) { balls[round + 1].send(try balls[round].wait() + 1) }
            }
        }
        balls[0].send(0)
        #expect(try await balls[2_000].wait() == 2_000)
        for player in players { try await player.wait() }
        await group.shutdown()
    }
}
