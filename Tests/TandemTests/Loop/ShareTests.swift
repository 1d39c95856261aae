internal import Testing

@testable import Tandem

/// A task whose calls never have to wait still lets others run. The tests count calls and measure no time.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ShareTests {
    enum Style: CaseIterable { case async, blocking }

    /// The most calls that one job makes before others run.
    private static let share = 64
    private static let enough = 5_000

    /// Runs `stream` until a task woken by an event has run, and checks the number of calls until then.
    private func checkWitnessRuns(
        callsPerRound: Int = 1, atMost calls: Int = share, sourceLocation: SourceLocation = #_sourceLocation,
        during stream: @escaping @Sendable (_ isOver: @escaping @Sendable () -> Bool) async throws -> Void
    ) async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let (seen, rounds) = (Counter(), Counter())
            let witness = Hub.current!.spawn { [b = Loan(b)] in
                _ = try await b.value.receive()
                seen.add()
            }
            try await turnUntilParked(1)
            try a.send("x")
            try await stream {
                rounds.add()
                return seen.value > 0 || rounds.value > Self.enough
            }
            #expect(rounds.value * callsPerRound <= calls + 2 * callsPerRound, sourceLocation: sourceLocation)
            try await witness.value
        }
    }

    @Test(arguments: Style.allCases) func `reads and writes of a descriptor give way to others`(style: Style) async throws {
        try await checkWitnessRuns(callsPerRound: 2) { isOver in
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let bytes = [UInt8](repeating: 7, count: 100)
            switch style {
            case .async:
                while !isOver() {
                    try await a.write(bytes)
                    let text: String = try await b.receive()
                    #expect(text.utf8.count == 100)
                }
            case .blocking:
                try await blocking {
                    while !isOver() {
                        try a.write(bytes)
                        let text: String = try b.receive()
                        #expect(text.utf8.count == 100)
                    }
                }
            }
        }
    }

    @Test(arguments: Style.allCases) func `large reads and writes of a descriptor give way after fewer calls`(style: Style)
        async throws
    {
        // 32 KiB in each direction and the two calls use 96 KiB of 1 MiB, as much as six calls that move nothing.
        try await checkWitnessRuns(callsPerRound: 6) { isOver in
            let (a, b) = try descriptorPair(bufferSize: 256 * 1024)
            defer {
                a.close()
                b.close()
            }
            let bytes = [UInt8](repeating: 7, count: 32 * 1024)
            switch style {
            case .async:
                while !isOver() {
                    try await a.write(bytes)
                    var left = bytes.count
                    while left > 0 {
                        let text: String = try await b.receive()
                        left -= text.utf8.count
                    }
                }
            case .blocking:
                try await blocking {
                    while !isOver() {
                        try a.write(bytes)
                        var left = bytes.count
                        while left > 0 {
                            let text: String = try b.receive()
                            left -= text.utf8.count
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: Style.allCases) func `puts into a queue that is never full and gets from one that is never empty give way`(
        style: Style
    )
        async throws
    {
        try await checkWitnessRuns(callsPerRound: 2) { isOver in
            let queue = Queue<Int>()
            switch style {
            case .async:
                while !isOver() {
                    try await queue.put(1)
                    let item = try await queue.get()
                    #expect(item == 1)
                }
            case .blocking:
                try await blocking {
                    while !isOver() {
                        try queue.put(1)
                        let item = try queue.get()
                        #expect(item == 1)
                    }
                }
            }
        }
    }

    @Test(arguments: Style.allCases) func `a cancelled loop whose permits always come at once ends`(style: Style) async throws {
        try await onHub {
            let semaphore = Semaphore(1)
            let acquired = Counter()
            let loop = Hub.current!.spawn {
                withUnsafeCurrentTask { $0?.cancel() }
                switch style {
                case .async:
                    while acquired.value < Self.enough {
                        try await semaphore.acquire()
                        acquired.add()
                        semaphore.release()
                    }
                case .blocking:
                    try await blocking {
                        while acquired.value < Self.enough {
                            try semaphore.acquire()
                            acquired.add()
                            semaphore.release()
                        }
                    }
                }
            }
            await #expect(throws: CancellationError.self) { try await loop.value }
            // A permit that is free is not refused to code that cleans up.
            #expect((1...Self.share).contains(acquired.value))
            #expect(semaphore.available == 1)
        }
    }

    @Test func `a loop over a queue that is never empty gives way`() async throws {
        try await checkWitnessRuns { isOver in
            let queue = Queue<Int>()
            for number in 0...Self.enough { _ = try queue.tryPut(number) }
            for try await _ in queue { if isOver() { break } }
        }
    }

    @Test func `a blocking loop over an async sequence that always has an element gives way`() async throws {
        try await checkWitnessRuns { isOver in
            let (stream, source) = AsyncStream.makeStream(of: Int.self)
            for number in 0...Self.enough { source.yield(number) }
            await blocking { for _ in stream.blockingElements() { if isOver() { break } } }
        }
    }

    @Test(arguments: [0, 1, 1_000_000]) func `a producer that is as fast as its reader gives way`(capacity: Int) async throws {
        // Where one side waits for the other, each element takes a job, so the turn's budget of jobs is the limit.
        try await checkWitnessRuns(atMost: 2 * HubConfiguration().jobsPerTurn) { isOver in
            let numbers = BlockingProducer<Int>(capacity: capacity) { send in for number in 0... { try send(number) } }
            for try await _ in numbers { if isOver() { break } }
            try await turnUntil { Hub.counts.greenThreads == 0 }
        }
    }

    @Test(arguments: Style.allCases) func `a cancelled task gives way, and its calls that need not wait do not throw`(
        style: Style
    )
        async throws
    {
        try await checkWitnessRuns { isOver in
            let queue = Queue<Int>()
            let task = Hub.current!.spawn {
                withUnsafeCurrentTask { $0?.cancel() }
                switch style {
                case .async: while !isOver() { try await queue.put(1) }
                case .blocking: try await blocking { while !isOver() { try queue.put(1) } }
                }
                return Task.isCancelled
            }
            let wasCancelled = try await task.value
            #expect(wasCancelled)
        }
    }

    @Test(arguments: Style.allCases) func `giving way lets others run first, including those that an event wakes`(style: Style)
        async throws
    {
        try await onHub {
            let hub = Hub.current!
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let order = Recorder<String>()
            let reader = hub.spawn { [b = Loan(b)] in
                _ = try await b.value.receive()
                order.add("event")
            }
            try await turnUntilParked(1)
            let ready = hub.spawn { order.add("ready") }
            try a.send("x")
            switch style {
            case .async: await hub.giveWay()
            case .blocking: await blocking { hub.giveWay() }
            }
            order.add("giver")
            #expect(order.all == ["ready", "event", "giver"])
            try await ready.value
            try await reader.value
        }
    }

    @Test func `giving way does nothing where nothing can be parked`() async throws {
        try await onHub {
            let hub = Hub.current!
            let turns = hub.statistics.turns
            synchronously { hub.giveWay() }
            #expect(hub.statistics.turns == turns)
        }
        let group = try HubGroup(count: 1, configuration: HubConfiguration())
        await group.hubs[0].giveWay()
        try await onThread {
            group.hubs[0].giveWay()
            group.shutdown()
        }
    }
}

extension Descriptor {
    fileprivate func write(_ bytes: [UInt8]) async throws {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await write(UnsafeRawBufferPointer(copy))
    }

    @available(*, noasync)
    fileprivate func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
}
