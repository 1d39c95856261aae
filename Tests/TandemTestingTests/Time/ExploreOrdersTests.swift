import Synchronization
import Tandem
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ExploreOrdersTests {
    /// Returns the steps of ten tasks and green threads in the order in which they happen.
    private static func trace(seed: UInt64?) async throws -> [String] {
        try await withVirtualTime(seed: seed) {
            let log = Log()
            var tasks: [Task<Void, any Error>] = []
            for number in 0..<10 {
                tasks.append(
                    Hub.current!.spawn {
                        for step in 0..<5 {
                            log.add("\(number).\(step)")
                            if number.isMultiple(of: 2) {
                                try await blocking { try sleep(for: .zero) }
                            } else if step == 3 {
                                try await sleep(for: .milliseconds(1))
                            } else {
                                await Task.yield()
                            }
                        }
                    })
            }
            for task in tasks { try await task.value }
            return log.all
        }
    }

    @Test func `a seed gives the same order each time, and other seeds other orders`() async throws {
        var orders: Set<[String]> = []
        for seed in 0..<20 as Range<UInt64> {
            let order = try await Self.trace(seed: seed)
            #expect(order.count == 50)
            let again = try await Self.trace(seed: seed)
            #expect(order == again)
            orders.insert(order)
        }
        #expect(orders.count == 20)
    }

    @Test func `without a seed the order is the order of arrival`() async throws {
        let order = try await Self.trace(seed: nil)
        #expect(order.prefix(10) == (0..<10).map { "\($0).0" }[...])
        #expect(try await Self.trace(seed: nil) == order)
    }

    private struct Overdrawn: Error {}

    /// Lets two tasks check a balance, wait, and withdraw.
    @Sendable private static func withdrawTwice(checkingAgain: Bool) async throws {
        let balance = Balance()
        let threads = (0..<2).map { number in
            GreenThread {
                // The second starts a moment later, so that only some orders make them collide.
                for _ in 0..<number { try sleep(for: .zero) }
                guard balance.value >= 100 else { return }
                try sleep(for: .zero)
                if checkingAgain, balance.value < 100 { return }
                balance.value -= 100
            }
        }
        for thread in threads { try await thread.wait() }
        if balance.value < 0 { throw Overdrawn() }
    }

    @Test func `a race that only some orders show is found, and replays from its seed`() async throws {
        let failure = await #expect(throws: OrderFailure.self) {
            try await exploreOrders(seeds: 0..<500) { try await Self.withdrawTwice(checkingAgain: false) }
        }
        let seed = try #require(failure?.seed)
        #expect(failure?.underlying is Overdrawn)
        #expect(failure?.description.contains("withVirtualTime(seed: \(seed))") == true)
        for _ in 0..<20 {
            await #expect(throws: Overdrawn.self) {
                try await withVirtualTime(seed: seed) { try await Self.withdrawTwice(checkingAgain: false) }
            }
        }
        var harmless = 0
        for seed in 0..<50 as Range<UInt64> {
            do {
                try await withVirtualTime(seed: seed) { try await Self.withdrawTwice(checkingAgain: false) }
                harmless += 1
            } catch {}
        }
        #expect(harmless > 0, "not every order shows it")
    }

    @Test func `a body that never throws runs once per seed`() async throws {
        let runs = Atomic<Int>(0)
        try await exploreOrders(seeds: 0..<100) {
            runs.add(1, ordering: .relaxed)
            try await Self.withdrawTwice(checkingAgain: true)
        }
        #expect(runs.load(ordering: .relaxed) == 100)
    }
}

/// An account with a race between check and withdrawal.
private final class Balance: Sendable {
    private let amount = Mutex(100)
    var value: Int {
        get { amount.withLock { $0 } }
        set { amount.withLock { $0 = newValue } }
    }
}
