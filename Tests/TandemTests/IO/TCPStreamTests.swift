internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TCPStreamTests {
    // MARK: Connecting

    @Test(arguments: Caller.cancellable)
    func `a client connects by name and by address, and both ends know their addresses`(caller: Caller) async throws {
        try await onHub {
            let listener = try TCPListener(host: "localhost", port: 0)
            #expect(listener.local.port > 0)
            for number in 0..<3 {
                let client =
                    switch number {
                    case 0: try await TCPStream.connect(caller, host: "localhost", port: listener.local.port)
                    case 1: try await TCPStream.connect(caller, host: "127.0.0.1", port: listener.local.port)
                    default: try await TCPStream.connect(caller, to: listener.local)
                    }
                let server = try await listener.accept(caller)
                #expect(client.peer == listener.local)
                #expect(server.local == listener.local)
                #expect(client.local == server.peer)
                #expect(client.local.port > 0)
                try await client.write(caller, "hello\n")
                #expect(try await server.readLine(caller) == "hello")
            }
        }
    }

    @Test func `sockets do not block, are not inherited and send without delay`() async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let client = try await TCPStream.connect(to: listener.local)
            let server = try await listener.accept()
            for stream in [client, server] {
                let fd = try #require(
                    (0..<4_096).first { SocketAddress(localOf: $0) == .ip(stream.local) && SocketAddress(peerOf: $0) != nil })
                #expect(fcntl(fd, F_GETFL) & O_NONBLOCK != 0)
                #expect(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0)
                var (delay, length): (CInt, socklen_t) = (0, 4)
                #expect(getsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &delay, &length) == 0)
                #expect(delay == 1)
            }
        }
    }

    @Test func `IPv6 works as IPv4 does`() async throws {
        try await onHub {
            let listener = try TCPListener(host: "::1", port: 0)
            let client = try await TCPStream.connect(host: "::1", port: listener.local.port)
            #expect(client.peer.description == "[::1]:\(listener.local.port)")
            let error = await tandemError {
                _ = try await TCPStream.connect(to: SocketEndpoint(address: .v4(0x7F00_0001), port: listener.local.port))
            }
            #expect(error?.errno == ECONNREFUSED)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a refused connection names the host, the address and the errno`(caller: Caller) async throws {
        try await onHub {
            let dead = try deadEndpoint()
            let error = try #require(
                await tandemError { _ = try await TCPStream.connect(caller, host: "127.0.0.1", port: dead.port) })
            #expect(error.code == .cannotConnect)
            #expect(error.errno == ECONNREFUSED)
            #expect(
                error.message
                    == "cannot connect to 127.0.0.1:\(dead.port): 127.0.0.1:\(dead.port): connect: Connection refused (errno 111)"
            )
        }
    }

    @Test func `an error names the host that was looked up, beside its addresses`() async throws {
        try await onHub {
            let port = try deadEndpoint().port
            let error = await tandemError { _ = try await TCPStream.connect(host: "localhost", port: port) }
            #expect(error?.message.hasPrefix("cannot connect to localhost:\(port): ") == true)
            #expect(error?.message.contains("127.0.0.1:\(port): connect: Connection refused (errno 111)") == true)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `an error names every address that was tried`(caller: Caller) async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let before = openDescriptors()
            let dead = [try deadEndpoint(), try deadEndpoint(.v4(0x7F00_0003)), try deadEndpoint(.v6(0, 1))]
            let error = try #require(await tandemError { _ = try await TCPStream.connect(caller, toAnyOf: dead) })
            #expect(error.code == .cannotConnect)
            #expect(error.errno == ECONNREFUSED)
            for endpoint in dead { #expect(error.message.contains("\(endpoint): connect: Connection refused")) }
            #expect(openDescriptors() == before)
            #expect(await tandemError { _ = try await TCPStream.connect(caller, toAnyOf: []) }?.code == .invalidArgument)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a name that does not exist is an error of the resolver`(caller: Caller) async throws {
        try await onHub {
            let error = await tandemError { _ = try await TCPStream.connect(caller, host: "no such host", port: 1) }
            #expect(error?.code == .nameNotResolved)
        }
    }

    // MARK: Racing

    @Test func `the families are tried in turn`() {
        let four = (1...3).map { SocketEndpoint(address: .v4($0), port: 1) }
        let six = (1...5).map { SocketEndpoint(address: .v6(0, $0), port: 1) }
        #expect(ConnectRace.interleaved([]) == [])
        #expect(ConnectRace.interleaved(four) == four)
        #expect(
            ConnectRace.interleaved(six + four) == [six[0], four[0], six[1], four[1], six[2], four[2], six[3], six[4]])
        #expect(
            ConnectRace.interleaved([four[0], six[0], four[1], four[2], six[1]])
                == [four[0], six[0], four[1], six[1], four[2]])
    }

    @Test(arguments: Caller.cancellable, [PollerKind.epoll, .poll])
    func `an address that does not answer delays the next by 250 ms`(caller: Caller, poller: PollerKind) async throws {
        var configuration = HubConfiguration()
        configuration.poller = poller
        try await onHub(configuration, hubs: .one("counts descriptors")) {
            let hole = try BlackHole()
            defer { hole.close() }
            let listener = try TCPListener(port: 0)
            let before = openDescriptors()
            let began = ContinuousClock.now
            let stream = try await TCPStream.connect(caller, toAnyOf: [hole.endpoint, listener.local])
            let took = ContinuousClock.now - began
            #expect(stream.peer == listener.local)
            #expect(took >= .milliseconds(250))
            #expect(took < .milliseconds(2_000))
            // The other attempt was closed.
            #expect(openDescriptors() == before + 1)
            let server = try await listener.accept()
            try await server.write("hello\n")
            #expect(try await stream.readLine(caller) == "hello")
        }
    }

    @Test func `an address that refuses delays the next by nothing`() async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let dead = [try deadEndpoint(), try deadEndpoint(.v4(0x7F00_0003))]
            let began = ContinuousClock.now
            let stream = try await TCPStream.connect(toAnyOf: dead + [listener.local])
            #expect(stream.peer == listener.local)
            #expect(ContinuousClock.now - began < .milliseconds(240))
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a deadline ends the race, and the error names the addresses`(caller: Caller) async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let hole = try BlackHole()
            defer { hole.close() }
            let dead = try deadEndpoint()
            let before = openDescriptors()
            let error = try #require(
                await tandemError {
                    _ = try await TCPStream.connect(
                        caller, toAnyOf: [dead, hole.endpoint], deadline: .after(.milliseconds(30)))
                })
            #expect(error.code == .timedOut)
            #expect(error.message.contains("\(dead): connect: Connection refused"))
            #expect(error.message.contains("\(hole.endpoint): no answer"))
            #expect(openDescriptors() == before)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a cancelled race closes its sockets`(caller: Caller) async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let holes = [try BlackHole(), try BlackHole(.v4(0x7F00_0003))]
            defer { for hole in holes { hole.close() } }
            let before = openDescriptors()
            let endpoints = holes.map(\.endpoint)
            let race = spawn { try await TCPStream.connect(caller, toAnyOf: endpoints) }
            try await turnUntil { openDescriptors() == before + 2 }
            race.cancel()
            #expect(await race.result.failure is CancellationError)
            #expect(openDescriptors() == before)
        }
    }

    @Test func `a late answer wins if no other address answers`() async throws {
        try await onHub {
            let late = TCPListenerWithoutRoom()
            defer { late.close() }
            let dead = try deadEndpoint()
            let opener = spawn {
                try await sleep(for: .milliseconds(100))
                late.makeRoom()
            }
            let stream = try await TCPStream.connect(toAnyOf: [late.endpoint, dead])
            #expect(stream.peer == late.endpoint)
            try await opener.value
        }
    }

    @Test func `a socket that the kernel has connected to itself is recognized`() async throws {
        try await onHub {
            let address = SocketAddress.ip(try deadEndpoint())
            let fd = address.makeStreamSocket()
            // Otherwise the kernel rarely chooses this port.
            #expect(address.withSockaddr { bind(fd, $0, $1) } == 0)
            let descriptor = try await Descriptor.connect(fd, to: address)
            #expect(descriptor.isConnectedToItself)
            descriptor.close()
            let (client, server) = try await tcpPair()
            #expect(client.local != client.peer && server.local != server.peer)
        }
    }
}

/// A listening socket whose backlog is full until `makeRoom`.
private final class TCPListenerWithoutRoom: Sendable {
    let endpoint: SocketEndpoint
    private let listener: CInt
    private let clients: [CInt]

    init() {
        let any = SocketAddress.ip(SocketEndpoint(address: .v4(0x7F00_0004), port: 0))
        let listener = any.makeStreamSocket()
        precondition(any.withSockaddr({ bind(listener, $0, $1) }) == 0 && listen(listener, 0) == 0)
        let bound = SocketAddress(localOf: listener)!
        clients = (0..<2).map { _ in
            let client = bound.makeStreamSocket()
            _ = bound.withSockaddr { connect(client, $0, $1) }
            return client
        }
        (self.listener, endpoint) = (listener, bound.endpoint!)
    }

    /// Accepts all connections, so that the next attempt of the kernel, after a second, gets an answer.
    func makeRoom() {
        while case let fd = accept(listener, nil, nil), fd >= 0 { Glibc.close(fd) }
    }

    func close() { for fd in clients + [listener] { Glibc.close(fd) } }
}
