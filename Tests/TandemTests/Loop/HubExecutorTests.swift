internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubExecutorTests {
    private actor Ledger {
        let hub: Hub
        var entries: [Int] = []
        init(hub: Hub) { self.hub = hub }
        nonisolated var unownedExecutor: UnownedSerialExecutor { hub.serialExecutor.asUnownedSerialExecutor() }

        func thread() -> Int { GreenThreadIdentity.osThread }

        func append(_ number: Int) async throws {
            assertIsolated()
            try await blocking { try sleep(for: .zero) }
            assertIsolated()
            #expect(hub.isCurrent)
            try await sleep(for: .microseconds(1))
            assertIsolated()
            entries.append(number)
        }
    }

    @Test func `an actor on a hub runs on the hub's thread, whoever calls it`() async throws {
        try await onHub {
            let home = GreenThreadIdentity.osThread
            let ledger = Ledger(hub: Hub.current!)
            #expect(await ledger.thread() == home)
            let fromElsewhere = await Task.detached { await ledger.thread() }.value
            let fromGreen = try await blocking { try awaiting { await ledger.thread() } }
            #expect([fromElsewhere, fromGreen] == [home, home])
        }
    }

    @Test func `calls to an actor on a hub wait, borrow stacks and stay isolated`() async throws {
        try await onHub {
            let ledger = Ledger(hub: Hub.current!)
            try await withThrowingTaskGroup { group in
                for number in 0..<50 { group.addTask { try await ledger.append(number) } }
                for number in 50..<100 {
                    group.addTask { try await blocking { try awaiting { try await ledger.append(number) } } }
                }
                // These tasks have no preference for the hub. Only the actor keeps them on it.
                for number in 100..<500 { group.addTask { try await Task.detached { try await ledger.append(number) }.value } }
                try await group.waitForAll()
            }
            #expect(await ledger.entries.sorted() == Array(0..<500))
        }
    }

    @Test func `a call from a task of the same hub makes no thread change and no turn`() async throws {
        try await onHub {
            let ledger = Ledger(hub: Hub.current!)
            let before = Hub.counts.turns
            for _ in 0..<100 { _ = await ledger.thread() }
            #expect(Hub.counts.turns - before <= 200)
        }
    }

    @Test func `code on the hub's thread passes assumeIsolated for its actors`() async throws {
        try await onHub {
            let ledger = Ledger(hub: Hub.current!)
            #expect(Hub.current!.serialExecutor.isIsolatingCurrentContext() == true)
            let entries = synchronously { ledger.assumeIsolated { $0.entries } }
            #expect(entries.isEmpty)
            let elsewhere = await Task.detached { ledger.hub.serialExecutor.isIsolatingCurrentContext() }.value
            #expect(elsewhere == false)
        }
    }
}
