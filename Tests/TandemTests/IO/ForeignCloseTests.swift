internal import Glibc
internal import Testing

@testable import Tandem

/// Other code closes a file descriptor that a `Descriptor` owns.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ForeignCloseTests {
    /// Numbers are closed behind the hub's back.
    private static let alone = TestHubs.one("the process shares its descriptors' numbers")

    /// A configuration that audits in every idle turn.
    private static func auditing(_ poller: PollerKind) -> HubConfiguration {
        var configuration = HubConfiguration()
        configuration.poller = poller
        configuration.auditInterval = .microseconds(1)
        return configuration
    }

    @Test(arguments: PollerKind.allCases, [false, true])
    func `a foreign close wakes the waiters with closed`(poller: PollerKind, green: Bool) async throws {
        try await onHub(Self.auditing(poller), hubs: Self.alone) {
            let (a, b) = try descriptorPair()
            let loan = Loan(a)
            let waiter = Hub.current!.spawn {
                if green { return try await blocking { _ = try loan.value.receive() as String } }
                _ = try await loan.value.receive()
            }
            try await turnUntilParked(1)
            close(a.fd)
            await #expect(throws: TandemError(.closed, "")) { try await waiter.value }
            await #expect(throws: TandemError(.closed, "")) { _ = try await a.receive() }
            a.close()  // harmless: the number is not closed again
            b.close()
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `waiters are woken when their number is in use again, and the new file stays open`(poller: PollerKind) async throws {
        try await onHub(Self.auditing(poller), hubs: Self.alone) {
            let (a, b) = try descriptorPair()
            let (c, d) = socketPair()
            let waiter = Hub.current!.spawn { [a = Loan(a)] in _ = try await a.value.receive() }
            try await turnUntilParked(1)
            #expect(dup2(c, a.fd) == a.fd)
            await #expect(throws: TandemError(.closed, "")) { try await waiter.value }
            a.close()
            #expect(fcntl(a.fd, F_GETFD) != -1, "it belongs to somebody else")
            for fd in [a.fd, c, d] { close(fd) }
            b.close()
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `the number can be adopted again at once, and its previous owner is closed`(poller: PollerKind) async throws {
        var configuration = HubConfiguration()
        configuration.poller = poller
        configuration.auditInterval = nil
        try await onHub(configuration, hubs: Self.alone) {
            let (a, b) = try descriptorPair()
            let waiter = Hub.current!.spawn { [a = Loan(a)] in _ = try await a.value.receive() }
            try await turnUntilParked(1)
            let (c, d) = socketPair()
            #expect(dup2(c, a.fd) == a.fd)
            close(c)
            let again = try Descriptor(adopting: a.fd)
            let other = try Descriptor(adopting: d)
            await #expect(throws: TandemError(.closed, "")) { try await waiter.value }
            try other.send("to the new owner")
            #expect(try await again.receive() == "to the new owner")
            a.close()
            #expect(fcntl(again.fd, F_GETFD) != -1)
            for descriptor in [again, other, b] { descriptor.close() }
        }
    }

    @Test func `a number that still names its file is never evicted`() async throws {
        try await onHub(Self.auditing(.epoll), hubs: Self.alone) {
            let (a, b) = try descriptorPair()
            let reader = GreenThread { [a = Loan(a)] in try a.value.receive() }
            try await turnUntilParked(1)
            // Each sleep lets the hub become idle and audit.
            for _ in 0..<100 { try await sleep(for: .microseconds(50)) }
            #expect(throws: TandemError(.descriptorBusy, "")) { _ = try Descriptor(adopting: a.fd) }
            try b.send("here")
            #expect(try await reader.wait() == "here")
            a.close()
            b.close()
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `numbers closed by any owner and reused under load are never confused`(poller: PollerKind) async throws {
        try await onHub(Self.auditing(poller), hubs: Self.alone) {
            let reused = Counter()
            let numbers = Recorder<CInt>()
            let workers = (0..<20).map { worker in
                Hub.current!.spawn {
                    var random = SeededGenerator(seed: UInt64(worker + 1))
                    for round in 0..<50 {
                        let (a, b) = try descriptorPair()
                        if numbers.all.contains(a.fd) { reused.add() } else { numbers.add(a.fd) }
                        let text = "\(worker)/\(round)"
                        let loan = Loan(a)
                        let reader = GreenThread { try loan.value.receive() }
                        if Bool.random(using: &random) { try await sleep(for: .zero) }
                        switch Int.random(in: 0..<4, using: &random) {
                        case 0:
                            try b.send(text)
                            #expect(try await reader.wait() == text)
                            a.close()
                        case 1:
                            a.close()
                            await #expect(throws: TandemError(.closed, "")) { _ = try await reader.wait() }
                        case 2:
                            try b.send(text)
                            close(a.fd)
                            // The waiter gets its own bytes, the end, or `closed`, and never another descriptor's bytes.
                            do {
                                let got = try await reader.wait()
                                #expect(["", text].contains(got))
                            } catch {
                                #expect([.closed, .systemCall].contains((error as? TandemError)?.code))
                            }
                            a.close()
                        default:
                            b.close()
                            #expect(try await reader.wait() == "")
                            a.close()
                        }
                        b.close()
                    }
                }
            }
            for worker in workers { try await worker.value }
            #expect(reused.value > 0)
        }
    }
}
