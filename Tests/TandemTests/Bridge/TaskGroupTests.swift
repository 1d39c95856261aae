internal import Testing

@testable import Tandem

/// Swift's structured concurrency over blocking code, in place of gather, race, wait_for and shield.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TaskGroupTests {
    @Test func `gather: calls run at once, and values come in the order of the calls`() async throws {
        try await onHub {
            let gate = Event<Void>()
            @Sendable func call(_ number: Int) async throws -> Int {
                try await blocking {
                    try gate.wait()
                    for _ in 0..<(3 - number) { try sleep(for: .zero) }
                    return number
                }
            }
            async let first = call(0)
            async let second = call(1)
            async let third = call(2)
            try await turnUntilParked(3)
            gate.send(())
            #expect(try await [first, second, third] == [0, 1, 2])
        }
    }

    @Test(arguments: [false, true])
    func `gather: the first failure cancels the others, waits for them and is thrown`(suspends: Bool) async throws {
        try await onHub {
            let unwound = Counter()
            await #expect(throws: Failure(number: 3)) {
                try await withThrowingTaskGroup { group in
                    for number in 0..<10 {
                        group.addTask {
                            try await blocking {
                                defer { unwound.add() }
                                if number == 3 {
                                    if suspends { try sleep(for: .zero) }
                                    throw Failure(number: 3)
                                }
                                try awaiting { try await sleep(for: forever) }
                            }
                        }
                    }
                    for try await _ in group {}
                }
            }
            #expect(unwound.value == 10)
        }
    }

    @Test func `race: the first success wins, and the others are cancelled and waited for`() async throws {
        try await onHub {
            let (gate, unwound) = (Event<Void>(), Counter())
            let racers = 5
            let winner = await withTaskGroup(of: Int?.self) { group in
                for number in 0..<racers {
                    group.addTask {
                        try? await blocking {
                            defer { unwound.add() }
                            switch number {
                            case 0: throw Failure()
                            case 2: try gate.wait()
                            default: try sleep(for: forever)
                            }
                            return number
                        }
                    }
                }
                gate.send(())
                var winner: Int?
                while winner == nil, let result = await group.next() { winner = result }
                group.cancelAll()
                return winner
            }
            #expect(winner == 2)
            #expect(unwound.value == racers)
        }
    }

    @Test func `wait_for: the blocking call is cancelled and unwinds before the timeout is thrown`() async throws {
        try await onHub {
            let log = Recorder<String>()
            await #expect(throws: TandemError(.timedOut, "")) {
                try await withTimeout(.milliseconds(2)) {
                    try await blocking {
                        defer { log.add("unwound") }
                        try sleep(for: forever)
                    }
                }
            }
            #expect(log.all == ["unwound"])
        }
    }

    @Test func `shield: a separate green thread outlives its waiter`() async throws {
        try await onHub {
            let gate = Event<Int>()
            let shielded = GreenThread { try awaiting { try await gate.wait() } }
            let handler = Hub.current!.spawn { try await blocking { try shielded.wait() } }
            try await turnUntilParked(2)
            handler.cancel()
            await #expect(throws: CancellationError.self) { _ = try await handler.value }
            gate.send(42)
            let value = try await shielded.wait()
            #expect(value == 42)
        }
    }

    /// The tasks of a group are awaited in any order. A bridge with one thread per call would hold the quick one up.
    @Test func `no head-of-line blocking: a quick green thread ends before forty slow ones`() async throws {
        try await onHub {
            let gate = Event<Void>()
            let order = Recorder<String>()
            try await withThrowingTaskGroup { group in
                for number in 0..<40 {
                    let slow = GreenThread {
                        try gate.wait()
                        order.add("slow")
                    }
                    group.addTask {
                        // Both styles.
                        number.isMultiple(of: 2) ? try await slow.wait() : try await blocking { try slow.wait() }
                    }
                }
                try await turnUntilParked(80)
                let quick = GreenThread {
                    try sleep(for: .microseconds(1))
                    order.add("quick")
                }
                group.addTask { try await quick.wait() }
                try await group.next()
                #expect(order.all == ["quick"])
                gate.send(())
                try await group.waitForAll()
            }
            #expect(order.count == 41)
        }
    }

    @Test func `dependencies: nodes wait for each other's events, and a failure reaches only its dependents`()
        async throws
    {
        try await onHub {
            let needs = ["a": [], "b": [], "c": ["a", "b"], "d": ["b"], "e": ["c", "d"], "f": ["d"]]
            let nodes = needs.mapValues { _ in Event<String>() }
            let threads = needs.map { name, parents in
                GreenThread {
                    do {
                        let inputs = try parents.map { try nodes[$0]!.wait() }
                        if name == "a" { throw Failure(number: 1) }
                        nodes[name]!.send("(\(inputs.joined()))\(name)")
                    } catch {
                        nodes[name]!.fail(error)
                    }
                }
            }
            for thread in threads { try await thread.wait() }
            for name in ["a", "c", "e"] { await #expect(throws: Failure(number: 1)) { _ = try await nodes[name]!.wait() } }
            for (name, value) in [("b", "()b"), ("d", "(()b)d"), ("f", "((()b)d)f")] {
                #expect(try await nodes[name]!.wait() == value)
            }
        }
    }
}
