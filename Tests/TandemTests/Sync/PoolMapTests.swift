internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct PoolMapTests {
    @Test(arguments: [1, 5, 50])
    func `results come in the order of the inputs, in both styles`(limit: Int) async throws {
        try await onHub {
            let pool = GreenPool(limit: limit)
            let turns: @Sendable (Int) throws -> Int = { number in
                for _ in 0..<((number &* 7919) % 13) { try sleep(for: .zero) }
                return number
            }
            var asynchronous: [Int] = []
            for try await number in pool.map(0..<500, turns) { asynchronous.append(number) }
            #expect(asynchronous == Array(0..<500))
            let green = try await blocking {
                var results = pool.map(0..<500, turns)
                var got: [Int] = []
                while let number = try results.next() { got.append(number) }
                return got
            }
            #expect(green == asynchronous)
            #expect(pool.running == 0)
        }
        let thread = try await onThread {
            var results = GreenPool(limit: limit).map(0..<50) { $0 * 2 }
            var got: [Int] = []
            while let number = try results.next() { got.append(number) }
            return got
        }
        #expect(thread == (0..<50).map { $0 * 2 })
    }

    @Test func `a map without inputs has no results`() async throws {
        var results = GreenPool(limit: 3).map([Int]()) { $0 }
        #expect(try await results.next() == nil)
        #expect(try await results.next() == nil)
    }

    @Test(arguments: Caller.cancellable)
    func `an error is thrown at its position, and the reader can continue`(caller: Caller) async throws {
        try await onHub {
            let pool = GreenPool(limit: 3)
            let transform: @Sendable (Int) throws -> Int = { if $0 == 4 { throw Failure(number: 4) } else { $0 } }
            var results = pool.map(0..<8, transform)
            var got: [String] = []
            for _ in 0..<9 {
                do {
                    let result =
                        switch caller {
                        case .asynchronous: try await results.next()
                        default: try await blocking { try results.next() }
                        }
                    got.append(result.map { "\($0)" } ?? "end")
                } catch let error as Failure {
                    got.append("failure \(error.number)")
                }
            }
            #expect(got == ["0", "1", "2", "3", "failure 4", "5", "6", "7", "end"])
        }
    }

    @Test func `inputs are taken as results are requested, no further ahead than the limit`() async throws {
        try await onHub {
            let taken = Counter()
            let inputs = sequence(first: 0) { number in
                taken.add()
                return number + 1
            }
            var results = GreenPool(limit: 4).map(inputs) { $0 }
            for number in 0..<100 {
                let result = try await results.next()
                #expect(result == number)
                #expect(taken.value <= number + 5)
            }
        }
    }

    @Test func `a cancelled next loses no position`() async throws {
        try await onHub {
            let gate = Event<Void>()
            let reader = Hub.current!.spawn {
                var results = GreenPool(limit: 2).map(0..<3) { number in
                    try gate.wait()
                    return number
                }
                await #expect(throws: CancellationError.self) { try await results.next() }
                gate.send(())
                var got: [Int] = []
                // The task is still cancelled. Finished results are returned without waiting.
                while got.count < 3 {
                    do { got.append(try await results.next()!) } catch is CancellationError { await Task.yield() }
                }
                return got
            }
            try await turnUntilParked(3)
            reader.cancel()
            #expect(try await reader.value == [0, 1, 2])
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a next that times out loses no position`(caller: Caller) async throws {
        try await onHub {
            let gate = Event<Void>()
            var results = GreenPool(limit: 2).map(0..<2) { number in
                try gate.wait()
                return number
            }
            let soon = Deadline.after(.milliseconds(2))
            await #expect(throws: TandemError(.timedOut, "")) {
                _ =
                    switch caller {
                    case .asynchronous: try await results.next(deadline: soon)
                    default: try await blocking { try results.next(deadline: soon) }
                    }
            }
            gate.send(())
            var got: [Int] = []
            while let number = try await results.next() { got.append(number) }
            #expect(got == [0, 1])
        }
    }

    @Test func `a map within a member of its own full pool runs inline`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let member = try await pool.spawn {
                var results = pool.map(0..<5) { $0 }
                var sum = 0
                while let number = try results.next() { sum += number }
                return sum
            }
            #expect(try await member.wait() == 10)
        }
    }

    @Test func `two maps may share a pool`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 2)
            let readers = (0..<2).map { _ in
                Hub.current!.spawn {
                    var got: [Int] = []
                    let results = pool.map(0..<200) { number in
                        try sleep(for: .zero)
                        return number
                    }
                    for try await number in results { got.append(number) }
                    return got
                }
            }
            for reader in readers {
                let got = try await reader.value
                #expect(got == Array(0..<200))
            }
            #expect(pool.running == 0)
        }
    }
}
