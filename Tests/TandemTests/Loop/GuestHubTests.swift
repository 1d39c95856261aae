internal import Glibc
internal import Testing

@testable import Tandem

/// A hub on a foreign loop, here a loop around poll(2).
@Suite(.serialized, .timeLimit(.minutes(1)))
struct GuestHubTests {
    /// A configuration whose poller can be watched, whatever the environment sets.
    private static let watchable: HubConfiguration = {
        var configuration = HubConfiguration()
        configuration.poller = .epoll
        return configuration
    }()

    /// Runs `body` with a guest and a loop on their own thread, and turns the loop until `body` has ended. Returns how many
    /// turns the loop made.
    private static func withGuest(
        _ configuration: HubConfiguration = watchable, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> Int {
        try await onThread {
            let guest = try GuestHub(configuration)
            defer { guest.stop() }
            let ended = Event<Void>()
            guest.hub.spawn {
                do { ended.send(try await body()) } catch { ended.fail(error) }
            }
            var turns = 0
            while ended.outcome == nil {
                var entry = pollfd(fd: guest.fd, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 20_000) > 0 else { throw Unexpected("the guest has nothing to do for 20 seconds") }
                #expect(Hub.current == nil, "between turns the thread is the loop's")
                guest.turn()
                turns += 1
            }
            try ended.outcome!.get()
            return turns
        }
    }

    @Test func `both styles, timers and descriptors run in the guest's turns, on the loop's thread`() async throws {
        _ = try await Self.withGuest {
            let thread = GreenThreadIdentity.osThread
            let (a, b) = try descriptorPair()
            let green = GreenThread { [a = Loan(a)] in
                try sleep(for: .milliseconds(2))
                try awaiting { try await sleep(for: .milliseconds(2)) }
                let text: String = try a.value.receive()
                return "\(text), \(GreenThreadIdentity.osThread == thread)"
            }
            try await sleep(for: .milliseconds(5))
            try b.send("hello")
            #expect(try await green.wait() == "hello, true")
            a.close()
            b.close()
        }
    }

    @Test func `a guest that audits its descriptors wakes the waiters of a number that other code has closed`() async throws {
        var configuration = Self.watchable
        configuration.auditInterval = .microseconds(1)
        _ = try await Self.withGuest(configuration) {
            let (a, b) = try descriptorPair()
            let waiter = Hub.current!.spawn { [a = Loan(a)] in _ = try await a.value.receive() }
            while Hub.current!.statistics.waits == 0 { await Task.yield() }
            close(a.fd)
            do {
                try await waiter.value
                throw Unexpected("the wait for a closed descriptor ended without an error")
            } catch let error as TandemError where error.code == .closed {}
            a.close()
            b.close()
        }
    }

    @Test func `work from other threads makes the guest's descriptor readable`() async throws {
        _ = try await Self.withGuest {
            for _ in 0..<50 {
                let event = Event<Int>()
                startThread { event.send(1) }
                let got = try await event.wait()
                #expect(got == 1)
            }
        }
    }

    @Test func `work enqueued between turns makes the guest's descriptor readable`() async throws {
        try await onThread {
            let guest = try GuestHub(Self.watchable)
            defer { guest.stop() }
            var entry = pollfd(fd: guest.fd, events: Int16(POLLIN), revents: 0)
            while poll(&entry, 1, 0) > 0 { guest.turn() }
            let ran = Counter()
            GreenThread(on: guest.hub) { ran.add() }
            while ran.value == 0 {
                #expect(poll(&entry, 1, 20_000) == 1)
                guest.turn()
            }
        }
    }

    @Test func `a flood of ready work does not starve the loop`() async throws {
        var configuration = Self.watchable
        configuration.jobsPerTurn = 10
        let turns = try await Self.withGuest(configuration) { for _ in 0..<1_000 { await Task.yield() } }
        #expect(turns >= 100)
    }

    @Test func `an idle guest makes no turns`() async throws {
        let turns = try await Self.withGuest { try await sleep(for: .milliseconds(30)) }
        // One for the spawn, one for the sleep, and one for an early timer.
        #expect(turns <= 5)
    }

    @Test func `stop unwinds spawned work and closes every descriptor`() async throws {
        try await onThread {
            let before = openDescriptors()
            let unwound = Counter()
            do {
                let guest = try GuestHub(Self.watchable)
                GreenThread(on: guest.hub) {
                    defer { unwound.add() }
                    try sleep(for: forever)
                }
                guest.turn()
                #expect(unwound.value == 0)
                guest.stop()
                guest.stop()  // harmless
                guest.turn()  // harmless too
            }
            #expect(unwound.value == 1)
            #expect(openDescriptors() == before)
        }
    }

    @Test func `a poller that cannot be watched and a virtual clock are refused`() throws {
        var configuration = HubConfiguration()
        configuration.poller = .poll
        #expect(throws: TandemError(.invalidArgument, "")) { _ = try GuestHub(configuration) }
        configuration.poller = .epoll
        configuration.clock = .virtual
        #expect(throws: TandemError(.invalidArgument, "")) { _ = try GuestHub(configuration) }
    }

    @Test func `two guests and their loop share a thread`() async throws {
        try await onThread {
            let guests = [try GuestHub(Self.watchable), try GuestHub(Self.watchable)]
            defer { for guest in guests { guest.stop() } }
            let queue = Queue<Int>(capacity: 0)
            let sum = Event<Int>()
            GreenThread(on: guests[0].hub) {
                for number in 1...100 { try queue.put(number) }
                queue.close()
            }
            guests[1].hub.spawn {
                var total = 0
                for try await number in queue { total += number }
                sum.send(total)
            }
            var entries = guests.map { pollfd(fd: $0.fd, events: Int16(POLLIN), revents: 0) }
            while sum.outcome == nil {
                #expect(poll(&entries, 2, 20_000) > 0)
                for (entry, guest) in zip(entries, guests) where entry.revents != 0 { guest.turn() }
            }
            #expect(try sum.outcome!.get() == 5_050)
        }
    }
}
