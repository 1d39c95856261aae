internal import CTandem
internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1)))
struct WaitListTests {
    /// Appends waiters, removes some at any place, and checks the order of the others.
    @Test(arguments: [[], [0], [4], [2], [0, 4], [1, 2, 3], [0, 1, 2, 3, 4]])
    func `removing waiters keeps the order of the others`(leaving: [Int]) {
        let waits = Wait.allocate(capacity: 5)
        waits.initialize(repeating: tandem_wait(), count: 5)
        defer { waits.deallocate() }
        var list = WaitList<Int>()
        let waiters = (0..<5).map { Waiter<Int>(wait: waits + $0) }
        for waiter in waiters { list.append(waiter) }
        for number in leaving { list.remove(waiters[number]) }
        #expect(list.count == 5 - leaving.count)
        var order: [Int] = []
        while let waiter = list.popFirst() { order.append(waiter.wait - waits) }
        #expect(order == [0, 1, 2, 3, 4].filter { !leaving.contains($0) })
        // A waiter that was removed may be appended again.
        for waiter in waiters.reversed() { list.append(waiter) }
        #expect(list.popFirst() == waiters[4])
        list.endAll(.success(7))
        #expect(list.count == 0)
        #expect(waiters[..<4].allSatisfy { waiter in if case .success(7) = waiter.finish() { true } else { false } })
    }
}
