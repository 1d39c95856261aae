internal import Testing

@testable import Tandem

/// Swift's dynamic exclusivity checker keeps a list of open accesses per thread, whose nodes lie on the
/// stack. A handler may hold an access open while it waits and others run on the same thread. If the stack switch left that
/// list alone, the checker would trap, or walk nodes on a stack that other code uses.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ExclusivityTests {
    /// Not final, and accessed through `@inline(never)`: otherwise the optimizer proves the accesses safe and drops the checks.
    class Account { var balance = 0 }

    @inline(never) static func hold<Value>(_ place: inout Value, _ wait: () throws -> Void) rethrows { try wait() }

    static let waits: [@Sendable (Parker) throws -> Void] = [
        { try $0.park() },
        { parker in
            let loan = Loan(parker)
            try awaiting { try await loan.value.park() }
        },
        { parker in
            let loan = Loan(parker)
            try awaiting { try await blocking { try loan.value.park() } }
        },
    ]

    @Test(arguments: waits.indices, waits.indices)
    func `two accesses that modify two objects across a park may end in the order they began`(first: Int, second: Int)
        async throws
    {
        try await onHub {
            let accounts = [Loan(Account()), Loan(Account())]
            let parkers = [Loan(Parker()), Loan(Parker())]
            let threads = [first, second].enumerated().map { side, kind in
                GreenThread {
                    for _ in 0..<10 {
                        try Self.hold(&accounts[side].value.balance) { try Self.waits[kind](parkers[side].value) }
                        accounts[side].value.balance += 1
                    }
                }
            }
            // Accesses begin in the order 0, 1 and end in the order 0, 1, unlike accesses on one stack.
            for _ in 0..<10 {
                for side in 0..<2 {
                    try await turnUntil { parkers[side].value.isOccupied }
                    parkers[side].value.unpark()
                    try await sleep(for: .zero)
                }
            }
            for thread in threads { try await thread.wait() }
            #expect(accounts.map(\.value.balance) == [10, 10])
        }
    }

    @Test(arguments: waits.indices)
    func `several accesses that read one object across a park may end in the order they began`(kind: Int) async throws {
        final class Shared { let parkers = (0..<4).map { _ in Parker() }; let account = Account() }
        try await onHub {
            let shared = Loan(Shared())
            let threads = (0..<4).map { side in
                GreenThread { try Self.readAcross(shared.value.account) { try Self.waits[kind](shared.value.parkers[side]) } }
            }
            for side in 0..<4 {
                try await turnUntil { shared.value.parkers[side].isOccupied }
            }
            for side in 0..<4 {
                shared.value.parkers[side].unpark()
                #expect(try await threads[side].wait() == 0)
            }
            shared.value.account.balance += 1
        }
    }

    /// The yield of a `read` accessor keeps a read access to the property open for the length of the call.
    @inline(never) static func readAcross(_ account: Account, _ wait: () throws -> Void) rethrows -> Int {
        try withUnsafePointer(to: account.balance) { pointer in
            try wait()
            return pointer.pointee
        }
    }

    @Test func `accesses of async code and of green threads interleave`() async throws {
        try await onHub {
            let (mine, theirs) = (Account(), Loan(Account()))
            let parker = Loan(Parker())
            let green = GreenThread {
                for _ in 0..<100 { try Self.hold(&theirs.value.balance) { try parker.value.park() } }
            }
            func holdAcross(_ place: inout Int) async throws {
                for _ in 0..<100 {
                    try await turnUntil { parker.value.isOccupied }
                    parker.value.unpark()
                    try await sleep(for: .zero)
                    place += 1
                }
            }
            try await holdAcross(&mine.balance)
            try await green.wait()
            #expect(mine.balance == 100)
        }
    }

    @Test func `an access held around a bridge is still held when the bridge returns`() async {
        await #expect(processExitsWith: .failure) {
            try await onHub {
                try await blocking {
                    let account = Account()
                    try Self.hold(&account.balance) {
                        try sleep(for: .zero)
                        try awaiting { await Task.yield() }
                        account.balance += 1  // a real violation: it is being modified
                    }
                }
            }
        }
    }

    /// A limit of the checker: it sees only the accesses of running code. The same holds for Swift's own tasks, which
    /// set their accesses aside when they suspend.
    @Test func `accesses of parked code are not checked, so two may modify one object across a park`() async throws {
        try await onHub {
            let account = Loan(Account())
            let threads = (0..<2).map { _ in
                GreenThread {
                    try Self.hold(&account.value.balance) { try sleep(for: .milliseconds(1)) }
                }
            }
            for thread in threads { try await thread.wait() }
        }
    }

    @Test func `accesses to different objects nest across styles`() async throws {
        @Sendable func asynchronous(_ level: Int) async throws {
            let account = Account()
            func held(_ place: inout Int) async throws {
                if level > 0 { try await blocking { try synchronous(level - 1) } } else { await Task.yield() }
                place += 1
            }
            try await held(&account.balance)
            #expect(account.balance == 1)
        }
        @Sendable func synchronous(_ level: Int) throws {
            let account = Account()
            try Self.hold(&account.balance) {
                if level > 0 { try awaiting { try await asynchronous(level - 1) } } else { try sleep(for: .zero) }
            }
        }
        try await onHub {
            try await withThrowingTaskGroup { group in
                for number in 0..<20 { group.addTask { try await asynchronous(10 + number % 2) } }
                try await group.waitForAll()
            }
        }
    }
}
