internal import Glibc
internal import Testing

@testable import Tandem

/// Calls inside an offloaded body, and calls on the shared pool.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct OffloadTests {
    @Test func `offload runs on the shared pool in each style`() async throws {
        try await onHub {
            let here = GreenThreadIdentity.osThread
            let asynchronous = try await offload { GreenThreadIdentity.osThread }
            let green = try await blocking { try offload { GreenThreadIdentity.osThread } }
            let (thread, own) = try await onThread {
                (try offload { GreenThreadIdentity.osThread }, GreenThreadIdentity.osThread)
            }
            #expect(![asynchronous, green].contains(here))
            #expect(thread != own)
            await #expect(throws: Failure(number: 1)) { try await offload { throw Failure(number: 1) } }
            await #expect(throws: Failure(number: 2)) { try await blocking { try offload { throw Failure(number: 2) } } }
            await #expect(throws: TandemError(.timedOut, "")) {
                try await offload(deadline: .after(.milliseconds(1))) { _ = usleep(20_000) }
            }
            #expect(throws: TandemError(.notOnGreenThread, "")) { try synchronously { try offload {} } }
        }
    }

    @Test func `blocking calls in the body block the pool's thread, and async code runs on a hub`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            let hub = Hub.current!
            let event = Event<Int>()
            let never = Event<Void>()
            let job = hub.spawn {
                try await pool.run {
                    let thread = GreenThreadIdentity.osThread
                    let (other, isHub) = try awaiting {
                        try await sleep(for: .microseconds(10))
                        return (GreenThreadIdentity.osThread, Hub.current != nil)
                    }
                    #expect(isHub && other != thread)
                    #expect(throws: Failure(number: 1)) { try awaiting { throw Failure(number: 1) } }
                    try Tandem.sleep(for: .microseconds(10))
                    #expect(throws: TandemError(.timedOut, "")) { try never.wait(deadline: .after(.milliseconds(1))) }
                    let green = try GreenThread(on: hub) { GreenThreadIdentity.osThread }.wait()
                    #expect(GreenThreadIdentity.osThread == thread)
                    return (try event.wait(), green)
                }
            }
            try await turnUntil { pool.statistics.running == 1 }
            event.send(4)
            let (value, green) = try await job.value
            #expect(value == 4)
            #expect(green == GreenThreadIdentity.osThread)
        }
    }

    @Test func `offload inside a body of the same pool runs at once on the same thread, even when the pool is full`() async throws
    {
        try await onHubWithPool(threads: 1, queueLimit: 0) { pool in
            let (outer, inner) = try await pool.run {
                (GreenThreadIdentity.osThread, try pool.run { try pool.run { GreenThreadIdentity.osThread } })
            }
            #expect(outer == inner)
            await #expect(throws: Failure(number: 1)) { try await pool.run { try pool.run { throw Failure(number: 1) } } }
            // The inner calls count as parts of the jobs that made them.
            #expect(pool.statistics.completed == 2)
        }
        try await onHub {
            let (outer, inner) = try await offload {
                (GreenThreadIdentity.osThread, try offload { GreenThreadIdentity.osThread })
            }
            #expect(outer == inner)
        }
    }

    @Test func `offload inside a body to another pool or through async code takes another thread`() async throws {
        try await onHubWithPool(threads: 2) { pool in
            let other = try OffloadPool(threads: 1)
            let ids = try await pool.run {
                [
                    GreenThreadIdentity.osThread,
                    try other.run { GreenThreadIdentity.osThread },
                    try awaiting { try await pool.run { GreenThreadIdentity.osThread } },
                    try awaiting { try await blocking { try pool.run { GreenThreadIdentity.osThread } } },
                ]
            }
            #expect(!ids.dropFirst().contains(ids[0]))
            #expect(ids[2] == ids[3])
            try await other.shutdown()
        }
    }

    @Test func `a running job may offload on its own thread during shutdown`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let job = Hub.current!.spawn {
                try await pool.run {
                    gate.pass()
                    return try pool.run { 1 }
                }
            }
            try await turnUntil { gate.arrived.value == 1 }
            await #expect(throws: TandemError(.timedOut, "")) { try await pool.shutdown(deadline: .after(.zero)) }
            gate.open()
            let inner = try await job.value
            #expect(inner == 1)
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `the body does not see the caller's task-locals, and can bind them again`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            try await Local.$level.withValue(7) {
                let inside = try await style.run(on: pool) { Local.level }
                #expect(inside == 0)
                let level = Local.level
                let seen = try await style.run(on: pool) {
                    try Local.$level.withValue(level) {
                        // Bindings made in the body cross every bridge.
                        [Local.level, try awaiting { Local.level }, try awaiting { await blocking { Local.level } }]
                    }
                }
                #expect(seen == [7, 7, 7])
                // One job's bindings are gone for the next.
                let after = try await style.run(on: pool) { Local.level }
                #expect(after == 0)
            }
        }
    }
}
