internal import CTandem
internal import Testing

@testable import Tandem

/// Waiting without a continuation, where Swift may run other jobs between the wait and the suspension, or resume elsewhere.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ParkingExecutorTests {
    /// An actor whose code runs on its caller's preferred executor.
    private actor Room {
        private(set) var visits = 0

        func visit(_ parker: Loan<Parker>, _ time: Duration) async throws {
            assertIsolated()
            try await sleep(for: time)
            assertIsolated()
            try await parker.value.park()
            assertIsolated()
            try await blocking { try sleep(for: time) }
            assertIsolated()
            visits += 1
        }
    }

    private actor Tenant {
        let hub: Hub
        init(_ hub: Hub) { self.hub = hub }
        nonisolated var unownedExecutor: UnownedSerialExecutor { hub.serialExecutor.asUnownedSerialExecutor() }

        /// The number of jobs that one wait takes.
        func jobs(_ parker: Loan<Parker>) async throws -> UInt64 {
            try await sleep(for: .nanoseconds(1))
            let before = hub.statistics.jobs
            try await parker.value.park()
            assertIsolated()
            return hub.statistics.jobs - before
        }
    }

    @Test func `many tasks in one actor wait, wake and stay isolated to it`() async throws {
        try await onHub {
            let room = Room()
            let parkers = (0..<300).map { _ in Loan(Parker()) }
            let visitors = parkers.enumerated().map { number, parker in
                Hub.current!.spawn { try await room.visit(parker, .microseconds(number % 7)) }
            }
            for parker in parkers { parker.value.unpark() }
            for visitor in visitors { try await visitor.value }
            #expect(await room.visits == 300)
        }
    }

    @Test func `many tasks that wait in one actor can be cancelled`() async throws {
        try await onHub {
            let room = Room()
            let parkers = (0..<100).map { _ in Loan(Parker()) }
            let visitors = parkers.map { parker in Hub.current!.spawn { try await room.visit(parker, .nanoseconds(1)) } }
            try await turnUntil { parkers.allSatisfy(\.value.isOccupied) }
            await Task.detached { for visitor in visitors { visitor.cancel() } }.value
            for visitor in visitors { await #expect(throws: CancellationError.self) { try await visitor.value } }
            #expect(await room.visits == 0)
        }
    }

    @Test func `a wait in an actor on the hub takes no extra job`() async throws {
        try await onHub {
            let hub = Hub.current!
            let parker = Loan(Parker())
            let tenant = Tenant(hub)
            let jobs = hub.spawn { try await tenant.jobs(parker) }
            try await turnUntil { parker.value.isOccupied }
            parker.value.unpark()
            #expect(try await jobs.value <= 4)
        }
    }

    @Test func `a task that starts on top of another one waits independently`() async throws {
        try await onHub {
            let parker = Loan(Parker())
            let order = Recorder<String>()
            let inner = Task.immediate(executorPreference: Hub.current!) {
                order.add("inner starts")
                try await parker.value.park()
                order.add("inner ends")
            }
            order.add("outer goes on")
            parker.value.unpark()
            try await inner.value
            #expect(order.all == ["inner starts", "outer goes on", "inner ends"])
        }
    }

    @Test func `a task whose priority is raised while it waits resumes normally`() async throws {
        try await onHub {
            let hub = Hub.current!
            let parker = Loan(Parker())
            let waiting = Task(executorPreference: hub, priority: .background) {
                for _ in 0..<100 { try await parker.value.park() }
                return Task.currentPriority
            }
            try await turnUntil { parker.value.isOccupied }
            let raising = Task(executorPreference: hub, priority: .high) { try await waiting.value }
            for _ in 0..<10 { try await sleep(for: .zero) }
            for _ in 0..<100 {
                try await turnUntil { parker.value.isOccupied }
                parker.value.unpark()
                try await sleep(for: .zero)
            }
            #expect(try await raising.value >= .background)
        }
    }

    @Test func `a wait makes no heap allocation and takes one job`() async throws {
        try await onHub {
            let hub = Hub.current!
            let (a, b) = (Loan(Parker()), Loan(Parker()))
            let other = hub.spawn {
                for _ in 0..<1_000 {
                    try await a.value.park()
                    b.value.unpark()
                }
            }
            try await turnUntil { a.value.isOccupied }
            let before = hub.statistics.jobs
            for _ in 0..<1_000 {
                a.value.unpark()
                try await b.value.park()
            }
            #expect(hub.statistics.jobs - before == 2_000)
            try await other.value
        }
    }

    // MARK: Descriptor.waitIgnoringCancellation

    enum Ending: CaseIterable { case arrival, wakeReader, close }

    @Test(arguments: Ending.allCases) func `a wait that ignores cancellation ends by its event or deadline`(ending: Ending)
        async throws
    {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let isOver = Counter()
            let waiting = Hub.current!.spawn { [b = Loan(b)] in
                _ = try b.value.readAvailable(into: .init(start: nil, count: 0))
                b.value.foundNothing(to: .readable)
                await b.value.waitIgnoringCancellation(for: .readable)
                isOver.add()
                return Task.isCancelled
            }
            try await turnUntilParked(1)
            waiting.cancel()
            await Task.detached { waiting.cancel() }.value
            for _ in 0..<5 { try await sleep(for: .nanoseconds(1)) }
            #expect(isOver.value == 0)
            switch ending {
            case .arrival: try a.send("x")
            case .wakeReader: b.wakeReader()
            case .close: b.close()
            }
            #expect(try await waiting.value)
        }
    }
}
