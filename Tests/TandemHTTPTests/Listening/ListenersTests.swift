import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ListenersTests {
        @Test(arguments: [1, 2])
        func `one server serves all its addresses, and stop closes them all`(hubs: Int) async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/http.sock"
            try await withServer(
                {
                    $0.hubs = hubs
                    $0.addresses = [.unix(path), .tcp("127.0.0.1", port: 0), .tcp("127.0.0.1", port: 0), .tcp("::1", port: 0)]
                }, routes: { $0.plain() }
            ) { live in
                let server = live.server
                let bound = try blockThread { try await server.boundAddresses() }
                #expect(bound.count == 4)
                #expect(bound[0] == .unix(path))
                let ports = bound.compactMap(\.port)
                #expect(Set(ports).count == 3 && !ports.contains(0))
                #expect(live.port == ports[0])
                let clients = try [
                    live.connect(to: .unix(path)), live.connect(to: .tcp(port: ports[0])),
                    live.connect(to: .tcp(port: ports[1])), live.connect(to: .tcp("::1", port: ports[2])),
                ]
                for client in clients {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                }
                #expect(Set(live.logged(4).map { $0.remoteAddress.prefix(4) }) == ["unix", "127.", "[::1"])
                live.server.stop(grace: .seconds(10))
                for client in clients {
                    #expect(try client.receiveUntilEnd().isEmpty)
                    try client.close()
                }
                try live.waitUntilEnded()
            }
            #expect(directory.names.isEmpty)
        }

        @Test(arguments: [1, 2])
        func `a server that cannot listen on one address listens on none`(hubs: Int) async throws {
            let directory = TemporaryDirectory()
            _ = HubGroup.shared
            let before = openDescriptors()
            let error = await TCPListenerTests.failure {
                $0.hubs = hubs
                $0.addresses = [.unix(directory.path + "/http.sock"), .tcp("127.0.0.1", port: 0), .tcp("192.0.2.1", port: 0)]
            }
            #expect(error?.errno == EADDRNOTAVAIL)
            #expect(openDescriptors().isSubset(of: before))
            #expect(directory.names.isEmpty)
        }

        @Test
        func `IPv4 and IPv6 wildcard addresses can share one port`() async throws {
            // A port that the kernel says is free.
            let port = try {
                let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
                defer { close(client) }
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let failed = withUnsafeMutablePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(client, $0, length) != 0 || getsockname(client, $0, &length) != 0
                    }
                }
                guard !failed else { throw SystemCallError(call: "bind", code: errno) }
                return Int(in_port_t(bigEndian: address.sin_port))
            }()
            try await withServer(
                { $0.addresses = [.tcp("0.0.0.0", port: port), .tcp("::", port: port)] },
                routes: { $0.get("/") { request async in Response(text: request.remoteAddress) } }
            ) { live in
                for (client, start) in [
                    (try live.connect(to: .tcp(port: port)), "127.0.0.1:"),
                    (try live.connect(to: .tcp("::1", port: port)), "[::1]:"),
                ] {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text.hasPrefix(start))
                    try client.close()
                }
            }
        }

        @Test
        func `the connection limit counts all addresses`() async throws {
            let directory = TemporaryDirectory()
            let path = directory.path + "/http.sock"
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                {
                    $0.maxConnections = 1
                    $0.addresses = [.unix(path), .tcp("127.0.0.1", port: 0)]
                }, routes: { $0.waiting("/", .async, for: event, started: started) }
            ) { live in
                func request(_ client: TestConnection) throws {
                    try client.send(.get, "/", headers: [.connection: "close"])
                }
                let first = try live.connect()
                try request(first)
                #expect(eventually { started.value == 1 })
                for client in [try live.connect(to: .unix(path)), try live.connect()] {
                    try request(client)
                    #expect(try client.receiveResponse().status == 503)
                    try client.close()
                }
                event.send(())
                #expect(try first.receiveResponse().text == "ok")
                try first.close()
                #expect(try eventually { try live.connectionCount() == 0 })
                let last = try live.connect(to: .unix(path))
                try request(last)
                #expect(try last.receiveResponse().text == "ok")
            }
        }
    }
}
