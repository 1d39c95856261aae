internal import Testing

@testable import Tandem

/// Every blocking form that has to wait, called where nothing can be parked.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct MisuseTests {
    /// The objects that the calls wait for. None of the waits ever ends.
    private final class Never: @unchecked Sendable {
        let event = Event<Void>()
        let permits = Semaphore(0)
        let (empty, full) = (Queue<Int>(), Queue<Int>(capacity: 0))
        let pool = GreenPool(limit: 0)
        let busy = GreenPool(limit: 1)
        let member: GreenThread<Void>
        let thread: GreenThread<Void>

        init() throws {
            _ = try empty.tryPut(1)
            _ = try empty.tryGet()
            let event = event
            member = busy.trySpawn { try event.wait() }!
            thread = GreenThread { try event.wait() }
        }

        /// Each call, with its line.
        @available(*, noasync)
        var calls: [(name: String, line: UInt, call: () throws -> Void)] {
            [
                ("awaiting", #line, { try awaiting { () async throws -> Void in mustNotRun() } }),
                ("sleep", #line, { try Tandem.sleep(for: .milliseconds(1)) }),
                ("Event.wait", #line, { try self.event.wait() }),
                ("GreenThread.wait", #line, { try self.thread.wait() }),
                ("Semaphore.acquire", #line, { try self.permits.acquire() }),
                ("Semaphore.acquire", #line, { try self.permits.withPermit { mustNotRun() } }),
                ("Queue.get", #line, { _ = try self.empty.get() }),
                ("Queue.put", #line, { try self.full.put(1) }),
                ("Queue.join", #line, { try self.empty.join() }),
                ("GreenPool.spawn", #line, { try self.pool.spawn { mustNotRun() } }),
                ("GreenPool.waitAll", #line, { try self.busy.waitAll() }),
                ("awaiting", #line, { try withTimeout(forever) { mustNotRun() } }),
                ("awaiting", #line, { try withCancellationShield { mustNotRun() } }),
                ("offload", #line, { try offload { mustNotRun() } }),
                ("offload", #line, { _ = try resolve(host: "localhost", port: 80) }),
                ("GreenPool.spawn", #line, { try Self.first(self.pool.map(0..<2) { $0 }) }),
                ("awaiting", #line, { try Self.first(AsyncStream<Int> { nil }.blockingElements()) }),
            ]
        }

        @available(*, noasync)
        private static func first(_ map: PoolMap<Range<Int>, Int>, line: UInt = #line) throws {
            var map = map
            _ = try map.next(line: line)
        }

        private static func first(_ elements: BlockingElements<AsyncStream<Int>>) throws {
            var elements = elements
            _ = try elements.next()?.get()
        }

        /// The number of waiters here, except the two green threads.
        var waiting: Int {
            event.waiting - 2 + permits.waiting + empty.waitingGetters + full.waitingPutters + pool.waiting + busy.waiting
        }
    }

    /// Expects each call to throw an error with its place and the remedy.
    @available(*, noasync)
    private static func checkAll(_ never: Never) {
        for (name, line, call) in never.calls {
            let error = #expect(throws: TandemError.self, "\(name), line \(line)") { try call() }
            #expect(error?.code == .notOnGreenThread)
            let message = error?.message ?? ""
            #expect(message.contains("TandemTests/MisuseTests.swift:\(line): \(name)"), "\(message)")
            #expect(message.contains("await blocking { }"))
        }
    }

    @Test
    func `a blocking call where nothing can be parked throws an error with its line and the remedy`() async throws {
        try await onHub {
            let never = try Never()
            try await turnUntilParked(2)
            synchronously { Self.checkAll(never) }
            let told = Counter()
            let timer = HubTimer(on: Hub.current!) {
                Self.checkAll(never)
                told.add()
            }
            timer.arm(.after(.zero))
            try await turnUntil { told.value == 1 }
            withExtendedLifetime(timer) {}
            await Task.detached { synchronously { Self.checkAll(never) } }.value
            // The calls took nothing, started nothing and left no waiter behind.
            #expect(never.waiting == 0)
            #expect(never.pool.running == 0)
            never.event.send(())
            try await never.member.wait()
            try await never.thread.wait()
        }
    }
}
