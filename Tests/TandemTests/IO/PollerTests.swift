internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

/// The behaviour of every poller.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct PollerTests {
    private static let readable = EPOLLIN.rawValue
    private static let writable = EPOLLOUT.rawValue
    private static let edge = EPOLLET.rawValue

    private static func make(_ kind: PollerKind) throws -> any Poller {
        switch kind {
        case .epoll: try EpollPoller()
        case .poll: try PollPoller()
        }
    }

    /// The events reported without waiting, by token.
    private static func told(by poller: any Poller) -> [UInt64: UInt32] {
        var told: [UInt64: UInt32] = [:]
        for index in 0..<poller.wait(nanoseconds: 0).count {
            told[poller.event(index).token, default: 0] |= poller.event(index).events
        }
        return told
    }

    @Test(arguments: PollerKind.allCases)
    func `an edge is reported once, and again when it is re-armed or new data arrives`(kind: PollerKind) throws {
        let poller = try Self.make(kind)
        let (a, b) = socketPair()
        try poller.add(a, events: Self.readable | Self.writable | Self.edge, token: 7)
        #expect(Self.told(by: poller) == [7: Self.writable])
        #expect(Self.told(by: poller) == [:])
        write(b, "x", 1)
        #expect(Self.told(by: poller)[7]! & Self.readable != 0)
        #expect(Self.told(by: poller) == [:], "nobody has read it, but it is no news")
        var byte: UInt8 = 0
        read(a, &byte, 1)
        poller.rearm(a, Self.readable)
        #expect(Self.told(by: poller) == [:])
        write(b, "x", 1)
        #expect(Self.told(by: poller)[7]! & Self.readable != 0)
        poller.remove(a)
        write(b, "x", 1)
        #expect(Self.told(by: poller) == [:])
        close(a)
        close(b)
    }

    @Test(arguments: PollerKind.allCases)
    func `a hang-up is reported once with edge triggering and every time without`(kind: PollerKind) throws {
        let poller = try Self.make(kind)
        let (a, b) = socketPair()
        let (c, d) = socketPair()
        try poller.add(a, events: Self.edge, token: 1)
        try poller.add(c, events: 0, token: 2)
        close(b)
        close(d)
        let first = Self.told(by: poller)
        #expect(first[1]! & EPOLLHUP.rawValue != 0)
        #expect(first[2]! & EPOLLHUP.rawValue != 0)
        let second = Self.told(by: poller)
        #expect(second[1] == nil)
        #expect(second[2]! & EPOLLHUP.rawValue != 0)
        close(a)
        close(c)
    }

    @Test(arguments: PollerKind.allCases)
    func `interests can be changed and removed`(kind: PollerKind) throws {
        let poller = try Self.make(kind)
        let pairs = (0..<5).map { _ in socketPair() }
        for (index, pair) in pairs.enumerated() { try poller.add(pair.0, events: Self.readable, token: UInt64(index + 1)) }
        poller.remove(pairs[1].0)
        poller.remove(pairs[4].0)
        try poller.modify(pairs[2].0, events: Self.writable, token: 3)
        for pair in pairs { write(pair.1, "x", 1) }
        #expect(Self.told(by: poller) == [1: Self.readable, 3: Self.writable, 4: Self.readable])
        for pair in pairs {
            close(pair.0)
            close(pair.1)
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `regular files, directories and bad numbers are refused`(kind: PollerKind) throws {
        let poller = try Self.make(kind)
        for path in ["/proc/self/exe", "/"] {
            let fd = open(path, O_RDONLY | O_CLOEXEC)
            let error = #expect(throws: TandemError.self) { try poller.add(fd, events: Self.readable, token: 1) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("offload") == true)
            close(fd)
        }
        #expect(throws: TandemError(.systemCall, "", errno: EBADF)) {
            try poller.add(1_000_000, events: Self.readable, token: 1)
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `the poller detects whether a number still names its file`(kind: PollerKind) throws {
        let poller = try Self.make(kind)
        let (a, b) = socketPair()
        let (c, d) = socketPair()
        let events = Self.readable | Self.edge
        try poller.add(a, events: events, token: 1)
        #expect(poller.stillNames(a, events: events, token: 1))
        dup2(c, a)
        #expect(!poller.stillNames(a, events: events, token: 1))
        for fd in [a, b, c, d] { close(fd) }
        #expect(!poller.stillNames(a, events: events, token: 1))
    }

    @Test(arguments: PollerKind.allCases)
    func `other threads wake a hub that waits in the kernel`(kind: PollerKind) async throws {
        var configuration = HubConfiguration()
        configuration.poller = kind
        try await onHub(configuration) {
            for _ in 0..<100 {
                let event = Event<Int>()
                startThread { event.send(1) }
                let got = try await event.wait()
                #expect(got == 1)
            }
        }
    }

    @Test(arguments: PollerKind.allCases)
    func `an idle hub stays in the kernel`(kind: PollerKind) async throws {
        var configuration = HubConfiguration()
        configuration.poller = kind
        configuration.auditInterval = nil
        try await onHub(configuration) {
            let (a, b) = try descriptorPair()
            let reader = GreenThread { [a = Loan(a)] in try a.value.receive() }
            try await turnUntilParked(1)
            let before = Hub.counts.turns
            try await sleep(for: .milliseconds(20))
            // The turn in which the sleep began, the one in which it ended, and one that woke too early.
            #expect(Hub.counts.turns - before <= 3)
            try b.send("x")
            _ = try await reader.wait()
            a.close()
            b.close()
        }
    }
}
