internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

/// Data that arrived in time counts, however late the hub asks the kernel. `HubProcessTests` stops the whole process.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ReadinessBeforeDeadlineTests {
    enum Style: CaseIterable { case async, blocking }

    private static let deadline = Duration.milliseconds(20)

    /// Computes past the deadline.
    private static func holdHub() {
        let end = Deadline.after(deadline * 2)
        while end.remaining != .zero {}
    }

    private static func configuration(_ poller: PollerKind) -> HubConfiguration {
        var configuration = HubConfiguration()
        configuration.poller = poller
        return configuration
    }

    private static func receive(_ style: Style, from descriptor: Loan<Descriptor>, deadline: Deadline) async throws -> String {
        switch style {
        case .async: try await descriptor.value.receive(deadline: deadline)
        case .blocking: try await blocking { try descriptor.value.receive(deadline: deadline) }
        }
    }

    @Test(arguments: PollerKind.allCases, Style.allCases)
    func `bytes that arrived while the hub was held are read although the deadline has passed`(poller: PollerKind, style: Style)
        async throws
    {
        try await onHub(Self.configuration(poller)) {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let reader = Hub.current!.spawn { [b = Loan(b)] in
                try await Self.receive(style, from: b, deadline: .after(Self.deadline))
            }
            try await turnUntilParked(1)
            try a.send("in time")
            Self.holdHub()
            #expect(try await reader.value == "in time")
        }
    }

    @Test(arguments: PollerKind.allCases, Style.allCases)
    func `a read without bytes times out after the hub was held`(poller: PollerKind, style: Style) async throws {
        try await onHub(Self.configuration(poller)) {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let reader = Hub.current!.spawn { [b = Loan(b)] in
                try await Self.receive(style, from: b, deadline: .after(Self.deadline))
            }
            try await turnUntilParked(1)
            Self.holdHub()
            await #expect(throws: TandemError(.timedOut, "")) { try await reader.value }
        }
    }

    @Test(arguments: PollerKind.allCases, Style.allCases)
    func `a HubTimer does not fire when a job woken by an event disarms it first`(poller: PollerKind, style: Style)
        async throws
    {
        try await onHub(Self.configuration(poller)) {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let guarding = Loan(HubTimer(on: Hub.current!) { Issue.record("fired") })
            let reader = Hub.current!.spawn { [b = Loan(b)] in
                guarding.value.arm(.after(Self.deadline))
                let text = try await Self.receive(style, from: b, deadline: .never)
                guarding.value.disarm()
                return text
            }
            try await turnUntilParked(2)
            try a.send("in time")
            Self.holdHub()
            #expect(try await reader.value == "in time")
        }
    }

    /// One turn's budget of jobs is not enough for all of them, nor is one call of the poller.
    @Test(arguments: PollerKind.allCases)
    func `more events than fit in one turn are all handled before the deadlines that are due with them`(poller: PollerKind)
        async throws
    {
        var configuration = Self.configuration(poller)
        configuration.jobsPerTurn = 16
        try await onHub(configuration, hubs: .one("it opens hundreds of descriptors")) {
            let count = EpollPoller.eventsPerWait + 50
            let descriptors = try (0..<count).map { _ in Loan(try Descriptor(adopting: tandem_eventfd())) }
            let start = Event<Deadline>()
            let readers = descriptors.map { descriptor in
                Hub.current!.spawn {
                    let deadline = try await start.wait()
                    let count = try withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) {
                        try descriptor.value.readAvailable(into: $0)
                    }
                    #expect(count == nil)
                    try await descriptor.value.wait(for: .readable, deadline: deadline)
                }
            }
            try await turnUntilParked(count)
            start.send(.after(Self.deadline))
            try await turnUntil { Hub.counts.timers == count }
            for descriptor in descriptors { tandem_eventfd_add(descriptor.value.fd) }
            Self.holdHub()
            for reader in readers { try await reader.value }
            for descriptor in descriptors { descriptor.value.close() }
        }
    }

    @Test func `in a guest hub bytes that arrived while a turn held the thread are read`() async throws {
        try await onThread {
            let guest = try GuestHub(Self.configuration(.epoll))
            defer { guest.stop() }
            let result = Event<String>()
            guest.hub.spawn {
                let (a, b) = try descriptorPair()
                defer {
                    a.close()
                    b.close()
                }
                let deadline = Deadline.after(Self.deadline)
                let writer = Hub.current!.spawn { [a = Loan(a)] in
                    try a.value.send("in time")
                    Self.holdHub()
                }
                do { result.send(try await b.receive(deadline: deadline)) } catch { result.fail(error) }
                try await writer.value
            }
            var entry = pollfd(fd: guest.fd, events: Int16(POLLIN), revents: 0)
            while result.outcome == nil {
                #expect(poll(&entry, 1, 20_000) > 0)
                guest.turn()
            }
            #expect(try result.outcome!.get() == "in time")
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `a timer that ends an idle hub's sleep fires without asking the kernel again`(poller: PollerKind) async throws {
        try await onHub(Self.configuration(poller)) {
            let hub = Hub.current!
            try await sleep(for: .milliseconds(1))
            let before = hub.pulse.pointee.polls
            try await sleep(for: .milliseconds(2))
            #expect(hub.pulse.pointee.polls - before == 1)
        }
    }
}
