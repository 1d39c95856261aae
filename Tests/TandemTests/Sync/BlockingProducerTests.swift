internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct BlockingProducerTests {
    @Test(arguments: [0, 1, 16])
    func `an async loop gets the elements that blocking code sends, in order, and ends with it`(capacity: Int) async throws {
        try await onHub {
            let hub = Hub.current!
            let numbers = BlockingProducer<Int>(capacity: capacity) { send in
                #expect(Hub.current === hub)
                for number in 0..<100 {
                    if number % 10 == 0 { try sleep(for: .zero) }
                    try send(number)
                }
            }
            // Each loop starts a new run.
            for _ in 0..<2 {
                var got: [Int] = []
                for try await number in numbers { got.append(number) }
                #expect(got == Array(0..<100))
            }
            try await turnUntilIdle()
        }
    }

    @Test func `the producer is never ahead of its reader by more than the capacity`() async throws {
        try await onHub {
            let sent = Counter()
            let numbers = BlockingProducer<Int>(capacity: 3) { send in
                for number in 0..<50 {
                    try send(number)
                    sent.add()
                }
            }
            var got = 0
            for try await _ in numbers {
                got += 1
                for _ in 0..<10 { try await sleep(for: .zero) }
                #expect(sent.value <= got + 3)
            }
            #expect(got == 50)
            try await turnUntilIdle()
        }
    }

    @Test func `the reader gets the elements, then the error`() async throws {
        try await onHub {
            let numbers = BlockingProducer<Int>(capacity: 8) { send in
                for number in 0..<3 { try send(number) }
                throw Failure(number: 5)
            }
            var got: [Int] = []
            await #expect(throws: Failure(number: 5)) { for try await number in numbers { got.append(number) } }
            #expect(got == [0, 1, 2])
            try await turnUntilIdle()
        }
    }

    @Test(arguments: [0, 1, 1_000])
    func `leaving the loop cancels the producer, which unwinds`(capacity: Int) async throws {
        try await onHub {
            let ended = Event<String>()
            let numbers = BlockingProducer<Int>(capacity: capacity) { send in
                do {
                    for number in 0... {
                        try send(number)
                        try sleep(for: .zero)
                    }
                } catch {
                    ended.send("\(type(of: error))")
                    throw error
                }
            }
            for try await number in numbers where number == 3 { break }
            let error = try await ended.wait()
            #expect(["CancellationError", "TandemError"].contains(error))
            try await turnUntilIdle()
        }
    }

    @Test func `cancelling the reader's task ends reader and producer`() async throws {
        try await onHub {
            let ended = Event<Void>()
            let reader = Hub.current!.spawn {
                let numbers = BlockingProducer<Int> { send in
                    defer { ended.send(()) }
                    try send(1)
                    try sleep(for: forever)
                }
                for try await _ in numbers {}
            }
            // The reader and the producer.
            try await turnUntilParked(2)
            reader.cancel()
            await #expect(throws: CancellationError.self) { try await reader.value }
            try await ended.wait()
            try await turnUntilIdle()
        }
    }

    @Test func `a reader gets an error when the hub stops before the body has run`() async throws {
        // The hub stops as soon as the iterator is made, so the body never runs.
        var iterator = try await onThread { try Hub.run { BlockingProducer<Int> { try $0(1) }.makeAsyncIterator() } }
        await #expect(throws: TandemError(.hubStopped, "")) { try await iterator.next() }
    }

    @Test func `a blocking loop reads a producer across both bridges`() async throws {
        try await onHub {
            let numbers = BlockingProducer<Int>(capacity: 4) { send in for number in 0..<100 { try send(number) } }
            let sum = try await blocking { try numbers.blockingElements().reduce(0) { try $0 + $1.get() } }
            #expect(sum == 4_950)
            try await turnUntilIdle()
        }
    }

    /// Waits until the released producer has unwound.
    private func turnUntilIdle() async throws {
        try await turnUntil { Hub.counts.greenThreads == 0 && Hub.counts.tasks == 0 }
    }
}
