internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct DescriptorSharingTests {
    /// A shared descriptor and its peer.
    private static func sharedPair() throws -> (Descriptor, Descriptor) {
        let (a, b) = socketPair(type: CInt(SOCK_DGRAM.rawValue))
        return (try Descriptor(adopting: a, sharing: true), try Descriptor(adopting: b))
    }

    /// Reads one datagram in one of the styles.
    private static func receive(_ descriptor: Loan<Descriptor>, green: Bool) async throws -> String {
        if green { return try await blocking { try descriptor.value.receive() } }
        return try await descriptor.value.receive()
    }

    @Test func `readers in both styles take turns, first come, first served`() async throws {
        try await onHub {
            let (shared, peer) = try Self.sharedPair()
            defer {
                shared.close()
                peer.close()
            }
            let log = Recorder<String>()
            var readers: [Task<Void, any Error>] = []
            for number in 0..<6 {
                readers.append(
                    Hub.current!.spawn { [shared = Loan(shared)] in
                        log.add("\(number): \(try await Self.receive(shared, green: number.isMultiple(of: 2)))")
                    })
                try await turnUntilParked(number + 1)
            }
            // One at a time, then all at once.
            try peer.send("a")
            try await turnUntil { log.count == 1 }
            try peer.send("b")
            try await turnUntil { log.count == 2 }
            for text in ["c", "d", "e", "f"] { try peer.send(text) }
            for reader in readers { try await reader.value }
            #expect(log.all == ["0: a", "1: b", "2: c", "3: d", "4: e", "5: f"])
        }
    }

    @Test func `a later reader waits behind earlier ones, even when data is available`() async throws {
        try await onHub {
            let (shared, peer) = try Self.sharedPair()
            defer {
                shared.close()
                peer.close()
            }
            let log = Recorder<Int>()
            let loan = Loan(shared)
            var readers: [Task<Void, any Error>] = []
            for number in 0..<3 {
                readers.append(
                    Hub.current!.spawn {
                        _ = try await loan.value.receive()
                        log.add(number)
                    })
                try await turnUntilParked(number + 1)
            }
            for _ in 0..<4 { try peer.send("x") }
            // The kernel has reported readiness, but no reader has run yet.
            shared.wakeReader()
            _ = try await shared.receive()
            log.add(3)
            for reader in readers { try await reader.value }
            #expect(log.all == [0, 1, 2, 3])
        }
    }

    @Test func `a reader that is cancelled at its turn passes the turn on`() async throws {
        try await onHub {
            for green in [false, true] {
                let (shared, peer) = try Self.sharedPair()
                defer {
                    shared.close()
                    peer.close()
                }
                let loan = Loan(shared)
                let first = Hub.current!.spawn { _ = try await Self.receive(loan, green: green) }
                try await turnUntilParked(1)
                let second = Hub.current!.spawn { try await Self.receive(loan, green: green) }
                try await turnUntilParked(2)
                first.cancel()
                try peer.send("for whoever is left")
                await #expect(throws: CancellationError.self) { try await first.value }
                #expect(try await second.value == "for whoever is left")
                shared.close()
                peer.close()
            }
        }
    }

    @Test func `a reader that wakes and takes nothing does not hold up the next`() async throws {
        try await onHub {
            let (shared, peer) = try Self.sharedPair()
            defer {
                shared.close()
                peer.close()
            }
            let loan = Loan(shared)
            #expect(try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { try shared.readAvailable(into: $0) } == nil)
            let looker = Hub.current!.spawn { try await loan.value.wait(for: .readable) }
            try await turnUntilParked(1)
            let reader = Hub.current!.spawn { try await loan.value.receive() }
            try await turnUntilParked(2)
            try peer.send("still there")
            try await looker.value
            #expect(try await reader.value == "still there")
        }
    }

    @Test func `closing wakes all readers, a deadline only its own`() async throws {
        try await onHub {
            let (shared, peer) = try Self.sharedPair()
            let loan = Loan(shared)
            let patient = (0..<10).map { _ in Hub.current!.spawn { _ = try await loan.value.receive() } }
            try await turnUntilParked(10)
            await #expect(throws: TandemError(.timedOut, "")) { _ = try await shared.receive(deadline: .after(.milliseconds(1))) }
            shared.close()
            for reader in patient { await #expect(throws: TandemError(.closed, "")) { try await reader.value } }
            peer.close()
        }
    }

    @Test func `several acceptors share one socket, and each gets a connection`() async throws {
        try await onHub {
            let (listening, address) = tcpListener()
            let listener = try Descriptor(adopting: listening, sharing: true)
            let accepted = Recorder<Int>()
            let acceptors = (0..<4).map { number in
                GreenThread { [listener = Loan(listener)] in
                    try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { room in
                        while true {
                            try listener.value.wait(for: .readable)
                            guard let (fd, _) = try listener.value.acceptAvailable(address: room) else { continue }
                            accepted.add(number)
                            close(fd)
                        }
                    }
                }
            }
            try await turnUntilParked(4)
            var clients: [CInt] = []
            for count in 1...40 {
                clients.append(tcpSocket())
                startConnecting(clients.last!, to: address)
                // One at a time, so that the order of waiting decides who is next.
                try await turnUntil { accepted.count == count }
                try await turnUntilParked(4)
            }
            #expect((0..<4).allSatisfy { number in accepted.all.count { $0 == number } == 10 })
            listener.close()
            for acceptor in acceptors { await #expect(throws: TandemError(.closed, "")) { try await acceptor.wait() } }
            for client in clients { close(client) }
        }
    }
}
