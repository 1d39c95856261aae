internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct SocketListenerTests {
    @Test(arguments: Caller.cancellable)
    func `accept waits for a client`(caller: Caller) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let accepted = spawn { try await listener.accept(caller) }
            try await turnUntilParked(1)
            let client = try await TCPStream.connect(to: listener.local)
            #expect(try await accepted.value.peer == client.local)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `close wakes every call that waits to accept`(caller: Caller) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let acceptors = (0..<3).map { _ in spawn { _ = try await listener.accept(caller) } }
            try await turnUntilParked(3)
            listener.close()
            #expect(listener.isClosed)
            for acceptor in acceptors { #expect((await acceptor.result.failure as? TandemError)?.code == .closed) }
            #expect(await tandemError { _ = try await listener.accept(caller) }?.code == .closed)
            #expect(
                await tandemError { _ = try await TCPStream.connect(caller, to: listener.local) }?.errno == ECONNREFUSED)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `accept has a deadline, can be cancelled, and then takes no client`(caller: Caller) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let error = await tandemError { _ = try await listener.accept(caller, deadline: .after(.milliseconds(2))) }
            #expect(error?.code == .timedOut)
            let acceptor = spawn { _ = try await listener.accept(caller) }
            try await turnUntilParked(1)
            acceptor.cancel()
            #expect(await acceptor.result.failure is CancellationError)
            let client = try await TCPStream.connect(to: listener.local)
            #expect(try await listener.accept(caller, deadline: .after(.seconds(5))).peer == client.local)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `callers accept in order of arrival`(caller: Caller) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let order = Recorder<Int>()
            var acceptors: [Task<Void, any Error>] = []
            for number in 0..<3 {
                acceptors.append(
                    spawn {
                        _ = try await listener.accept(caller)
                        order.add(number)
                    })
                try await turnUntilParked(number + 1)
            }
            for _ in 0..<3 { _ = try await TCPStream.connect(to: listener.local) }
            for acceptor in acceptors { try await acceptor.value }
            #expect(order.all == [0, 1, 2])
        }
    }

    @Test func `a port in use is an error with the address and EADDRINUSE`() async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let listener = try TCPListener(port: 0)
            let before = openDescriptors()
            let error = await tandemError { _ = try TCPListener(port: listener.local.port) }
            #expect(error?.code == .cannotListen)
            #expect(error?.errno == EADDRINUSE)
            #expect(error?.message == "cannot listen on \(listener.local): bind: Address already in use")
            #expect(openDescriptors() == before)
            let port = listener.local.port
            listener.close()
            #expect(try TCPListener(port: port).local.port == port)
        }
    }

    @Test func `listeners share a port if all of them say so`() async throws {
        try await onHub {
            let first = try TCPListener(port: 0, sharingPort: true)
            let second = try TCPListener(port: first.local.port, sharingPort: true)
            #expect(second.local == first.local)
            #expect(await tandemError { _ = try TCPListener(port: first.local.port) }?.errno == EADDRINUSE)
            #expect(await tandemError { _ = try TCPListener(host: "example.com", port: 0) }?.code == .cannotListen)
        }
    }

    // MARK: Unix sockets

    private static func path(_ name: String) -> String { "/tmp/tandem-\(getpid())-\(UInt32.random(in: 0...(.max)))-\(name)" }

    @Test(arguments: Caller.cancellable)
    func `unix sockets carry lines, by path and by abstract name`(caller: Caller) async throws {
        try await onHub {
            let path = Self.path("lines")
            for listener in [try UnixListener(path: path, mode: 0o600), try UnixListener(abstractName: path)] {
                let accepted = spawn { try await listener.accept(caller) }
                let client = try await UnixStream.connect(caller, to: listener.local)
                let server = try await accepted.value
                #expect(client.peer == listener.local)
                #expect(server.local == listener.local)
                #expect(client.local == .unnamed)
                #expect(server.peer == .unnamed)
                try await client.write(caller, "hello\n")
                #expect(try await server.readLine(caller) == "hello")
                var status = stat()
                if case .path(let path) = listener.local {
                    #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
                }
                listener.close()
            }
            #expect(access(path, F_OK) != 0)
            #expect(UnixAddress.path("/a").description == "unix:/a")
            #expect(UnixAddress.abstract("a").description == "unix:@a")
        }
    }

    @Test func `a dropped listener removes its file, and a stale file is replaced`() async throws {
        try await onHub {
            let path = Self.path("stale")
            do {
                let listener = try UnixListener(path: path)
                #expect(await tandemError { _ = try UnixListener(path: path) }?.errno == EADDRINUSE)
                _ = listener
            }
            #expect(access(path, F_OK) != 0)
            let address = try #require(SocketAddress(unixPath: path))
            let fd = address.makeStreamSocket()
            #expect(address.withSockaddr { bind(fd, $0, $1) } == 0)
            close(fd)
            let listener = try UnixListener(path: path)
            _ = try await UnixStream.connect(path: path)
            listener.close()
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a unix socket that does not exist, or an impossible path, is an error`(caller: Caller) async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let before = openDescriptors()
            let missing = await tandemError { _ = try await UnixStream.connect(caller, to: .path("/nowhere/x.sock")) }
            #expect(missing?.code == .cannotConnect)
            #expect(missing?.errno == ENOENT)
            #expect(
                missing?.message == "cannot connect to unix:/nowhere/x.sock: connect: No such file or directory (errno 2)")
            for address in [UnixAddress.path(String(repeating: "x", count: 108)), .path(""), .path("a\0b"), .unnamed] {
                #expect(await tandemError { _ = try await UnixStream.connect(caller, to: address) }?.code == .invalidArgument)
            }
            #expect(await tandemError { _ = try UnixListener(path: "") }?.code == .cannotListen)
            let long = String(repeating: "x", count: 108)
            #expect(await tandemError { _ = try UnixListener(abstractName: long) }?.code == .cannotListen)
            #expect(openDescriptors() == before)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a client waits for room in the backlog of a unix socket`(caller: Caller) async throws {
        try await onHub {
            let path = Self.path("full")
            let listener = try UnixListener(path: path, backlog: 0)
            let first = try await UnixStream.connect(path: path)
            let late = await tandemError {
                _ = try await UnixStream.connect(caller, to: .path(path), deadline: .after(.milliseconds(20)))
            }
            #expect(late?.code == .timedOut)
            #expect(late?.errno == EAGAIN)
            let waiting = spawn { try await UnixStream.connect(caller, to: .path(path)) }
            try await turnUntilParked(1)
            _ = try await listener.accept()
            _ = try await waiting.value
            first.close()
        }
    }
}
