internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct QueueTests {
    // MARK: Put and get

    @Test(arguments: Caller.allCases)
    func `items leave in the order of puts, whether the getter waits or comes later`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>()
            for number in 0..<3 { try await queue.put(number, caller) }
            #expect(queue.count == 3)
            for number in 0..<3 { #expect(try await queue.get(caller) == number) }
            let getter = Hub.current!.spawn { try await queue.get(caller) }
            try await turnUntil { queue.waitingGetters == 1 }
            try await queue.put(9, caller)
            #expect(try await getter.value == 9)
            #expect(queue.count == 0)
        }
    }

    @Test func `LIFO and priority decide which item leaves first`() throws {
        let stack = Queue<Int>(order: .lifo)
        let smallest = Queue<Int>(order: .smallestFirst)
        let largest = Queue<Int>(order: .priority(by: >))
        for number in [3, 1, 2] { for queue in [stack, smallest, largest] { #expect(try queue.tryPut(number)) } }
        #expect(try (0..<3).map { _ in try stack.tryGet() } == [2, 1, 3])
        #expect(try (0..<3).map { _ in try smallest.tryGet() } == [1, 2, 3])
        #expect(try (0..<3).map { _ in try largest.tryGet() } == [3, 2, 1])
    }

    @Test(arguments: Caller.allCases)
    func `a put into a full queue waits, and putters enter in order`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 1)
            try await queue.put(0, caller)
            let putters = try await putting(1...3, into: queue, caller)
            #expect(queue.count == 1)
            for number in 0...3 { #expect(try await queue.get() == number) }
            for putter in putters { try await putter.value }
        }
    }

    @Test(arguments: Caller.allCases)
    func `with capacity 0 a put waits until its item is taken`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 0)
            #expect(try !queue.tryPut(7))
            let putters = try await putting(1...2, into: queue, caller)
            #expect(queue.count == 0)
            #expect(try queue.tryGet() == 1)
            try await putters[0].value
            #expect(queue.waitingPutters == 1)
            #expect(try await queue.get(caller) == 2)
            try await putters[1].value
            // The other way round: a waiting getter takes the next item.
            let getter = Hub.current!.spawn { try await queue.get(caller) }
            try await turnUntil { queue.waitingGetters == 1 }
            #expect(try queue.tryPut(3))
            #expect(try await getter.value == 3)
        }
    }

    @Test func `the non-blocking forms are legal on the hub's own stack and serve waiting callers`() async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 1)
            #expect(try queue.tryGet() == nil)
            #expect(try queue.tryPut(1))
            #expect(try !queue.tryPut(2))
            let putter = GreenThread { try queue.put(3) }
            try await turnUntil { queue.waitingPutters == 1 }
            // Taking an item lets the putter's item in at once.
            #expect(try queue.tryGet() == 1)
            #expect(queue.count == 1)
            try await putter.wait()
            #expect(try queue.tryGet() == 3)
            let getter = GreenThread { try queue.get() }
            try await turnUntil { queue.waitingGetters == 1 }
            #expect(try queue.tryPut(4))
            // The item already belongs to the getter.
            #expect(queue.count == 0)
            #expect(try queue.tryGet() == nil)
            #expect(try await getter.wait() == 4)
            #expect(throws: TandemError(.notOnGreenThread, "")) { try synchronously { try queue.get() } }
        }
    }

    // MARK: Cancellation and deadlines

    @Test(arguments: Caller.allCases)
    func `a getter that times out takes nothing, and a putter that times out leaves nothing`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 0)
            let soon = { Deadline.after(.milliseconds(2)) }
            await #expect(throws: TandemError(.timedOut, "")) { try await queue.get(caller, deadline: soon()) }
            await #expect(throws: TandemError(.timedOut, "")) { try await queue.put(1, caller, deadline: soon()) }
            #expect(queue.waitingGetters == 0)
            #expect(queue.waitingPutters == 0)
            #expect(queue.unfinished == 0)
            let left = try queue.tryGet()
            #expect(left == nil)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `an item goes to the first getter that still waits`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>()
            var getters: [Task<Int, any Error>] = []
            for number in 1...4 {
                getters.append(Hub.current!.spawn { try await queue.get(caller) })
                try await turnUntil { queue.waitingGetters == number }
            }
            for number in [0, 2] {
                getters[number].cancel()
                await #expect(throws: CancellationError.self) { try await getters[number].value }
            }
            #expect(try queue.tryPut(1))
            #expect(try queue.tryPut(2))
            #expect(try await getters[1].value == 1)
            #expect(try await getters[3].value == 2)
        }
    }

    @Test(arguments: Caller.cancellable, [false, true])
    func `an item that arrives together with a cancellation is delivered`(caller: Caller, cancelFirst: Bool) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 0)
            let getter = Hub.current!.spawn { try await queue.get(caller) }
            try await turnUntil { queue.waitingGetters == 1 }
            if cancelFirst { getter.cancel() }
            #expect(try queue.tryPut(5))
            if !cancelFirst { getter.cancel() }
            #expect(try await getter.value == 5)
            // A putter whose item was taken succeeds, even if it is cancelled.
            let putter = Hub.current!.spawn { try await queue.put(6, caller) }
            try await turnUntil { queue.waitingPutters == 1 }
            if cancelFirst { putter.cancel() }
            #expect(try queue.tryGet() == 6)
            if !cancelFirst { putter.cancel() }
            try await putter.value
        }
    }

    // MARK: Close

    @Test(arguments: Caller.allCases)
    func `close wakes every getter and putter with a typed error`(caller: Caller) async throws {
        try await onHub {
            let empty = Queue<Int>()
            let getters = (0..<3).map { _ in Hub.current!.spawn { try await empty.get(caller) } }
            try await turnUntil { empty.waitingGetters == 3 }
            empty.close()
            for getter in getters { await #expect(throws: TandemError(.closed, "")) { try await getter.value } }
            let full = Queue<Int>(capacity: 1)
            #expect(try full.tryPut(0))
            let putters = try await putting(1...3, into: full, caller)
            full.close()
            for putter in putters { await #expect(throws: TandemError(.closed, "")) { try await putter.value } }
            #expect(try full.tryGet() == 0)
            #expect(throws: TandemError(.closed, "")) { try full.tryGet() }
        }
    }

    @Test(arguments: Caller.allCases)
    func `a closed queue delivers its items, then its error`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>()
            try await queue.put(1)
            queue.close(throwing: Failure())
            queue.close()
            #expect(queue.isClosed)
            let error = await #expect(throws: TandemError.self) { try await queue.put(2, caller) }
            #expect(error?.message == "the queue is closed")
            #expect(throws: TandemError(.closed, "")) { try queue.tryPut(2) }
            #expect(try await queue.get(caller) == 1)
            for _ in 0..<2 { await #expect(throws: Failure()) { try await queue.get(caller) } }
        }
    }

    @Test func `discarding releases the items outside the lock and counts them as done`() async throws {
        final class Asks: Sendable {
            let queue: Queue<Asks>
            let dropped: Counter
            init(_ queue: Queue<Asks>, _ dropped: Counter) { (self.queue, self.dropped) = (queue, dropped) }
            deinit { dropped.add(queue.count + 1) }
        }
        let queue = Queue<Asks>()
        let dropped = Counter()
        for _ in 0..<3 { #expect(try queue.tryPut(Asks(queue, dropped))) }
        queue.close()
        #expect(queue.unfinished == 3)
        queue.close(discarding: true)
        #expect(dropped.value == 3)
        try await queue.join()
        #expect(throws: TandemError(.closed, "")) { try queue.tryGet() }
    }

    // MARK: Join

    @Test(arguments: Caller.allCases)
    func `join waits until taskDone has been called for each item`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Int>()
            // The queue is empty, so there is nothing to wait for.
            try await queue.join(caller)
            for number in 0..<3 { #expect(try queue.tryPut(number)) }
            let joined = Hub.current!.spawn { try await queue.join(caller) }
            for number in 0..<3 {
                #expect(try await queue.get() == number)
                try await sleep(for: .zero)
                #expect(queue.unfinished == 3 - number)
                if number == 2 {
                    await #expect(throws: TandemError(.timedOut, "")) {
                        try await queue.join(caller, deadline: .after(.milliseconds(2)))
                    }
                }
                queue.taskDone()
            }
            try await joined.value
        }
    }

    @Test func `join also counts items handed over directly`() async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 0)
            let getter = GreenThread { try queue.get() }
            try await turnUntil { queue.waitingGetters == 1 }
            #expect(try queue.tryPut(1))
            #expect(queue.unfinished == 1)
            _ = try await getter.wait()
            queue.taskDone()
            try await queue.join()
        }
        await #expect(processExitsWith: .failure) { Queue<Int>().taskDone() }
        await #expect(processExitsWith: .failure) { _ = Queue<Int>(capacity: -1) }
    }

    // MARK: Resize

    @Test(arguments: [3, .max])
    func `growing the capacity lets waiting putters in`(capacity: Int) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 0)
            let putters = try await putting(0..<5, into: queue, .green)
            queue.resize(capacity: capacity)
            #expect(queue.capacity == capacity)
            #expect(queue.count == min(5, capacity))
            for number in 0..<5 { #expect(try await queue.get() == number) }
            for putter in putters { try await putter.value }
        }
    }

    @Test func `shrinking the capacity drops nothing, and putters wait until enough items are taken`() async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 3)
            for number in 0..<3 { #expect(try queue.tryPut(number)) }
            queue.resize(capacity: 1)
            let putters = try await putting(3...3, into: queue, .asynchronous)
            #expect(try queue.tryGet() == 0)
            #expect(try queue.tryGet() == 1)
            #expect(queue.waitingPutters == 1)
            #expect(try queue.tryGet() == 2)
            #expect(queue.waitingPutters == 0)
            #expect(try queue.tryGet() == 3)
            for putter in putters { try await putter.value }
        }
    }

    // MARK: As a sequence

    @Test func `an async loop takes the items and ends when the queue is closed and empty`() async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 2)
            let producer = GreenThread {
                for number in 0..<10 { try queue.put(number) }
                queue.close()
            }
            var got: [Int] = []
            for try await number in queue { got.append(number) }
            #expect(got == Array(0..<10))
            try await producer.wait()
        }
    }

    @Test func `an async loop throws the queue's error, even if it is TandemError closed`() async throws {
        let queue = Queue<Int>()
        #expect(try queue.tryPut(1))
        queue.close(throwing: TandemError(.closed, "the descriptor was closed"))
        var iterator = queue.makeAsyncIterator()
        #expect(try await iterator.next() == 1)
        await #expect(throws: TandemError(.closed, "")) { try await iterator.next() }
    }

    /// Starts a putter for each number, each when the previous one waits.
    private func putting(
        _ numbers: some Sequence<Int>, into queue: Queue<Int>, _ caller: Caller
    ) async throws -> [Task<Void, any Error>] {
        var putters: [Task<Void, any Error>] = []
        for number in numbers {
            putters.append(Hub.current!.spawn { try await queue.put(number, caller) })
            try await turnUntil { queue.waitingPutters == putters.count }
        }
        return putters
    }
}
