internal import Testing

@testable import Tandem

/// The sample of docs/primitives.md, line by line.
@Suite(.timeLimit(.minutes(1)))
struct PrimitivesPageTests {
    @Test func `the sample adds up the squares`() async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 16)
            let producer = GreenThread {  // blocking code
                var squares = GreenPool(limit: 4).map(0..<100) { number in  // each on a green thread, four at once
                    try sleep(for: .milliseconds(1))
                    return number * number
                }
                while let square = try squares.next() { try queue.put(square) }
                queue.close()
            }
            var sum = 0
            for try await square in queue { sum += square }  // async code
            try await producer.wait()
            #expect(sum == 328_350)
        }
    }
}
