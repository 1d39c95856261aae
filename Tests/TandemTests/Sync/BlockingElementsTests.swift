internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct BlockingElementsTests {
    /// Counts up, one number per turn of the hub, until it fails or without end.
    struct Numbers: AsyncSequence, AsyncIteratorProtocol, Sendable {
        var end = Int.max
        var failure: Failure?
        var next = 0
        let asked = Counter()

        func makeAsyncIterator() -> Numbers { self }

        mutating func next() async throws -> Int? {
            asked.add()
            try await sleep(for: .zero)
            guard next < end else {
                if let failure { throw failure }
                return nil
            }
            defer { next += 1 }
            return next
        }
    }

    @Test func `a blocking loop gets every element on green threads and OS threads`() async throws {
        let read = { @Sendable in try Numbers(end: 100).blockingElements().map { try $0.get() } }
        try await onHub {
            let green = try await blocking(read)
            #expect(green == Array(0..<100))
        }
        #expect(try await onThread(read) == Array(0..<100))
    }

    @Test func `an error is thrown at its position, once`() async throws {
        try await onHub {
            let results = await blocking { Array(Numbers(end: 2, failure: Failure(number: 3)).blockingElements()) }
            #expect(results.count == 3)
            let second = try results[1].get()
            #expect(second == 1)
            #expect(throws: Failure(number: 3)) { try results[2].get() }
        }
    }

    @Test func `no element is requested after the loop ends`() async throws {
        try await onHub {
            let numbers = Numbers()
            await blocking { for element in numbers.blockingElements() where (try? element.get()) == 4 { break } }
            #expect(numbers.asked.value == 5)
        }
    }

    @Test func `cancelling the task ends the loop with CancellationError`() async throws {
        try await onHub {
            let queue = Queue<Int>()
            let reader = GreenThread {
                var got: [Int] = []
                for element in queue.blockingElements() {
                    do { got.append(try element.get()) } catch is CancellationError { got.append(-1) }
                }
                return got
            }
            try await queue.put(1)
            try await turnUntil { queue.waitingGetters == 1 && queue.count == 0 }
            reader.cancel()
            #expect(try await reader.wait() == [1, -1])
        }
    }

    @Test func `a blocking loop in async code throws an error that names the remedy`() async throws {
        try await onHub {
            let results = Array(Numbers().blockingElements())
            #expect(results.count == 1)
            #expect(throws: TandemError(.notOnGreenThread, "")) { try results[0].get() }
        }
    }
}
