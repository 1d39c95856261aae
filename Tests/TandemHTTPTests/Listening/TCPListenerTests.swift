import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TCPListenerTests {
        /// Returns the error that `run` throws, and checks that `waitUntilListening` throws it too.
        static func failure(_ configure: (inout HTTPServerConfiguration) -> Void) async -> TandemError? {
            var configuration = anyPort()
            configure(&configuration)
            let server = HTTPServer(router: Router(), configuration: configuration)
            let ran = await Task { try await server.run() }.result
            let waited = await Task { try await server.waitUntilListening() }.result
            guard case .failure(let error as TandemError) = ran, case .failure(let same as TandemError) = waited else {
                return nil
            }
            #expect(error.message == same.message)
            return error
        }

        @Test(arguments: [1, 2])
        func `a busy port is an error with the address and EADDRINUSE`(hubs: Int) async throws {
            let occupied = try occupiedPort()
            defer { close(occupied.fd) }
            // The shared hubs start once, and keep their descriptors.
            _ = HubGroup.shared
            let before = openDescriptors()
            let error = try #require(
                await Self.failure {
                    $0.port = occupied.port
                    $0.hubs = hubs
                })
            #expect(error.code == .cannotListen)
            #expect(error.errno == EADDRINUSE)
            #expect(error.message == "cannot listen on 127.0.0.1:\(occupied.port): bind: Address already in use")
            #expect(openDescriptors().isSubset(of: before))
        }

        @Test
        func `an invalid host or port is an error that says what was expected`() async throws {
            for (host, port) in [("example.com", 0), ("", 0), ("1.2.3", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1)] {
                let error = try #require(
                    await Self.failure {
                        $0.host = host
                        $0.port = port
                    })
                #expect(error.code == .cannotListen)
                #expect(error.message.contains("\"\(host)\" port \(port)"))
                #expect(error.message.contains("expected a numeric IPv4 or IPv6 address"))
            }
        }

        @Test
        func `an address of another machine is an error`() async throws {
            let error = try #require(await Self.failure { $0.host = "192.0.2.1" })
            #expect(error.errno == EADDRNOTAVAIL)
            #expect(error.message.contains("192.0.2.1:0"))
        }

        @Test(arguments: ["localhost", "::1"])
        func `a server listens on localhost and on IPv6`(host: String) async throws {
            let server = HTTPServer(
                router: Router(),
                configuration: {
                    var configuration = anyPort()
                    configuration.host = host
                    return configuration
                }())
            let running = Task { try await server.run() }
            do {
                #expect(try await server.waitUntilListening() > 0)
            } catch let error as TandemError where error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL {
                // This machine has no IPv6.
                #expect(host == "::1")
                return
            }
            server.stop()
            try await running.value
        }

        @Test
        func `a port can be reused at once`() async throws {
            let port = Mutex(0)
            for _ in 0..<3 {
                try await withServer({ $0.port = port.withLock(\.self) }, routes: { $0.plain() }) { live in
                    port.withLock { $0 = live.port }
                    // The server closes first, so that the connection stays in TIME_WAIT.
                    let answer = try live.refusal(of: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    #expect(answer.status == 200)
                }
            }
        }

        @Test
        func `a server that is full can be stopped`() async throws {
            try await withServer({ $0.maxConnections = 1 }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveResponse().status == 200)
                live.server.stop(grace: .seconds(10))
                try live.waitUntilEnded()
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `a server without free descriptors neither spins nor gives up`() async {
            await #expect(processExitsWith: .success) {
                try await withServer(hubs: .one("counts the hub's turns"), routes: { $0.plain() }) { live in
                    let clients = try (0..<20).map { _ in try live.connect() }
                    for client in clients {
                        try client.send(.get, "/")
                        #expect(try client.receiveResponse().status == 200)
                    }
                    // Below, the process gets no more descriptors, so everything that needs one at first use is done here.
                    let late = try live.connect(TestConnectionOptions(timeout: .seconds(5)))
                    #expect(try eventually { try live.connectionCount() == 21 })
                    try late.close()
                    #expect(try eventually { try live.connectionCount() == 20 })
                    #expect(
                        try eventually { try live.readers() == 0 }, "connections that come to rest also take turns of the hub")
                    var limit = rlimit()
                    getrlimit(descriptorLimit, &limit)
                    let before = limit.rlim_cur
                    // The client gets the last descriptor, the server none.
                    limit.rlim_cur = rlim_t(lastDescriptor() + 2)
                    setrlimit(descriptorLimit, &limit)
                    let client = try live.connect()
                    try client.send(.get, "/")
                    let turns = try live.statistics().turns
                    #expect(try !client.hasInput(within: .milliseconds(350)))
                    #expect(try live.statistics().turns - turns < 40)
                    #expect(!live.log.entries("cannot accept; trying again when a connection has ended, and each 100 ms").isEmpty)
                    // The server still serves its open connections.
                    try clients[0].send(.get, "/")
                    #expect(try clients[0].receiveResponse().status == 200)
                    limit.rlim_cur = before
                    setrlimit(descriptorLimit, &limit)
                    #expect(try client.receiveResponse().text == "ok")
                }
                exit(0)
            }
        }
    }

    struct OwnHubsTests {
        /// Runs a server that starts its own hubs.
        static func serve(
            _ configure: (inout HTTPServerConfiguration) -> Void, _ routes: (Router) -> Void,
            _ body: @escaping @Sendable (HTTPServer, Int) throws -> Void
        ) async throws {
            let router = Router()
            routes(router)
            var configuration = anyPort()
            configure(&configuration)
            let server = HTTPServer(router: router, configuration: configuration)
            try await onOwnThread {
                // The shared hubs start once, and keep their descriptors.
                _ = HubGroup.shared
                let before = openDescriptors()
                let ended = Promise<Void>()
                let running = Task {
                    let outcome = await Task { try await server.run() }.result
                    ended.settle(outcome)
                }
                let port = try blockThread { try await server.waitUntilListening() }
                defer { running.cancel() }
                try body(server, port)
                #expect(try eventually { try blockThread { await server.connectionCount() } == 0 })
                server.stop(grace: .seconds(2))
                try ended.wait()
                #expect(eventually { openDescriptors().isSubset(of: before) })
            }
        }

        @Test(arguments: Style.allCases)
        func `connections are spread over the hubs, each with its own thread, and stop ends them all`(style: Style) async throws {
            let access = TestAccessLog()
            try await Self.serve(
                {
                    $0.hubs = 2
                    $0.accessLog = access
                },
                { router in
                    router.on(.get, "/", style) { _ in Response(text: "\(Hub.current!.index) \(GreenThreadIdentity.osThread)") }
                }
            ) { server, port in
                var answers: Set<String> = []
                let clients = try (0..<64).map { _ in try openConnection(to: .tcp(port: port)) }
                for client in clients {
                    try client.send(.get, "/")
                    answers.insert(try client.receiveResponse().text)
                }
                #expect(answers.count == 2)
                #expect(Set(answers.map { $0.prefix(1) }) == ["0", "1"])
                #expect(try blockThread { await server.connectionCount() } == 64)
                _ = eventually { access.entries.count == 64 }
                #expect(Set(access.entries.map(\.hub)) == [0, 1])
                server.stop()
                for client in clients {
                    #expect(try client.receiveUntilEnd().isEmpty)
                    try client.close()
                }
            }
        }

        @Test func `a thousand connections are spread over the hubs within 20 percent`() async throws {
            let router: @Sendable (Router) -> Void = { router in
                router.get("/") { _ async in Response(text: "\(Hub.current!.index)") }
            }
            try await Self.serve({ $0.hubs = 2 }, router) { server, port in
                let clients = try (0..<1_000).map { _ in try openConnection(to: .tcp(port: port)) }
                var counts: [String: Int] = [:]
                for client in clients {
                    try client.send(.get, "/")
                    counts[try client.receiveResponse().text, default: 0] += 1
                }
                #expect(counts.count == 2 && counts.values.allSatisfy { abs($0 - 500) <= 100 }, "\(counts)")
                for client in clients { try client.close() }
            }
        }

        @Test(arguments: Style.allCases)
        func `requests in flight on every hub are answered before run returns`(style: Style) async throws {
            let (event, started) = (Event<Void>(), Count())
            try await Self.serve({ $0.hubs = 2 }, { $0.waiting("/", style, for: event, started: started) }) { server, port in
                let clients = try (0..<16).map { _ in try openConnection(to: .tcp(port: port)) }
                for client in clients { try client.send(.get, "/") }
                #expect(eventually { started.value == 16 })
                server.stop()
                event.send(())
                for client in clients {
                    #expect(try client.receiveResponse().closes)
                    try client.close()
                }
            }
        }
    }
}

/// Returns a listening socket and its port.
private func occupiedPort() throws -> (fd: CInt, port: Int) {
    let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let failed = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(fd, $0, length) != 0 || listen(fd, 1) != 0 || getsockname(fd, $0, &length) != 0
        }
    }
    guard !failed else { throw SystemCallError(call: "listen", code: errno) }
    return (fd, Int(in_port_t(bigEndian: address.sin_port)))
}

/// Returns the highest open descriptor.
private func lastDescriptor() -> Int {
    (0..<4096).last { fcntl(CInt($0), F_GETFD) >= 0 } ?? 0
}

let descriptorLimit = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
