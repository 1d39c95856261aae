import Logging
import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TLSHandshakeTests {
        static let localhost = TestCertificate(["localhost"])
        let directory = TemporaryDirectory()

        /// Serves over TLS on the first port, and without TLS on the second.
        func withTLS(
            _ certificates: [TestCertificate] = [localhost], hubs: TestHubs = .several,
            configure: (inout HTTPServerConfiguration) -> Void = { _ in },
            _ body: @escaping @Sendable (Live) throws -> Void
        ) async throws {
            try await withServer(
                hubs: hubs,
                {
                    $0.tls = .with(certificates, in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true), .tcp("127.0.0.1", port: 0)]
                    configure(&$0)
                },
                routes: { router in
                    router.plain()
                    router.get("/tls") { request async in
                        guard let tls = request.tls else { return Response(text: "none") }
                        return Response(
                            text: "\(tls.version) \(tls.serverName ?? "-") \(tls.isResumed) \(tls.clientSubject ?? "-")")
                    }
                }, body)
        }

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
        func `TLS 1.2 and 1.3 are served beside plain HTTP, and the handler knows the version`(version: CInt) async throws {
            try await withTLS { live in
                let client = try live.connectTLS(TestTLS(authority: Self.localhost, versions: version...version))
                try client.send(.get, "/tls")
                let name = version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"
                #expect(try client.receiveResponse().text == "\(name) localhost false -")
                #expect(client.tls?.version == name)
                let server = live.server
                let addresses = try blockThread { try await server.boundAddresses() }
                let plain = try live.connect(to: .tcp(port: addresses[1].port!))
                defer { try? plain.close() }
                try plain.send(.get, "/tls")
                #expect(try plain.receiveResponse().text == "none")
            }
        }

        @Test
        func `a version below the minimum is refused with the right alert`() async throws {
            try await withTLS(configure: { $0.tls!.minimumVersion = .tls13 }) { live in
                let error = #expect(throws: TestClientError.self) {
                    _ = try live.connectTLS(TestTLS(versions: TLS1_2_VERSION...TLS1_2_VERSION))
                }
                #expect(error?.description == "tlsv1 alert protocol version")
                #expect(
                    eventually {
                        live.log.entries("TLS handshake failed").map { $0.metadata["reason"] } == ["unsupported protocol"]
                    })
                #expect(live.log.lines.allSatisfy { $0.level == .info })
                let client = try live.connectTLS()
                #expect(client.tls?.version == "TLSv1.3")
            }
        }

        @Test
        func `ALPN selects http/1.1, and refuses a client that offers only other protocols`() async throws {
            try await withTLS { live in
                for (protocols, selected) in [(["h2", "http/1.1"], "http/1.1"), (["http/1.0"], "http/1.0"), ([], nil)] {
                    let client = try live.connectTLS(TestTLS(protocols: protocols))
                    #expect(client.tls?.selectedProtocol == selected)
                }
                for protocols in [["h2"], ["http/1"], ["h2", "spdy/3", "http/1.11"]] {
                    let error = #expect(throws: TestClientError.self) {
                        _ = try live.connectTLS(TestTLS(protocols: protocols))
                    }
                    #expect(error?.description == "tlsv1 alert no application protocol")
                }
            }
        }

        @Test
        func `SNI selects the certificate: an exact name before a wildcard, else the first`() async throws {
            let certificates = [
                TestCertificate(["default.test"]), TestCertificate(["*.example.test", "example.test"]),
                TestCertificate(["exact.example.test"]),
            ]
            try await withTLS(certificates) { live in
                let expected: [(String?, String)] = [
                    (nil, "default.test"), ("unknown.test", "default.test"), ("example.test", "*.example.test"),
                    ("a.example.test", "*.example.test"), ("EXACT.example.TEST", "exact.example.test"),
                    ("exact.example.test", "exact.example.test"), ("a.b.example.test", "default.test"), ("test", "default.test"),
                ]
                for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
                    for (name, subject) in expected {
                        let client = try live.connectTLS(TestTLS(serverName: name, versions: version...version))
                        #expect(client.tls?.serverSubject == subject, "\(name ?? "no name")")
                        try client.close()
                    }
                }
            }
        }

        @Test
        func `plain HTTP on the TLS port is answered with an explanation`() async throws {
            try await withTLS { live in
                let answer = try live.refusal(of: "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(answer.status == 400)
                #expect(answer.text == "this port speaks TLS: use https\n")
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test(arguments: 0..<4)
        func `garbage, an early end and a reset affect only their own connection`(kind: Int) async throws {
            try await withTLS { live in
                let other = try live.connectTLS()
                let client = try live.connect()
                switch kind {
                case 0: try client.sendUnsealed(pattern(4_096))
                case 1: try client.endSending()
                case 2:
                    // The beginning of a ClientHello, and nothing more.
                    try client.sendUnsealed([22, 3, 1, 1, 0, 1, 0])
                    try client.close(reset: true)
                default: try client.close(reset: true)
                }
                if kind < 2 {
                    _ = try? client.receiveUntilEnd(orReset: true)
                    try client.close()
                }
                #expect(try eventually { try live.connectionCount() == 1 })
                try other.send(.get, "/")
                #expect(try other.receiveResponse().text == "ok")
                #expect(live.log.lines.allSatisfy { $0.level == .debug || $0.level == .info })
            }
        }

        @Test
        func `a silent or slow client is disconnected at the handshake deadline, and delays no other client`() async throws {
            try await withTLS(configure: { $0.tls!.handshakeTimeout = .milliseconds(150) }) { live in
                let (silent, slow) = (try live.connect(), try live.connect())
                let hello = {
                    let end = TLSClientEnd(TestTLS())
                    _ = try? end.advanceHandshake()
                    return end.taken()
                }()
                try slow.sendUnsealed(Array(hello.prefix(1)))
                for byte in hello.dropFirst().dropLast() where try !slow.hasInput(within: .milliseconds(1)) {
                    try? slow.sendUnsealed([byte])
                }
                let client = try live.connectTLS()
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "ok")
                #expect(try silent.receiveUntilEnd(orReset: true).isEmpty)
                #expect(try slow.receiveUntilEnd(orReset: true).isEmpty)
                #expect(eventually { live.log.entries("TLS handshake failed").count == 2 })
                #expect(
                    live.log.entries("TLS handshake failed").allSatisfy {
                        $0.level == .info && $0.metadata["reason"]?.hasPrefix("it took longer than 0.15") == true
                    })
            }
        }

        @Test
        func `a hello may arrive one byte at a time`() async throws {
            try await withTLS { live in
                let client = try live.connect()
                let end = TLSClientEnd(TestTLS())
                _ = try end.advanceHandshake()
                for byte in end.taken() { try client.sendUnsealed([byte]) }
                #expect(try client.hasInput(within: .milliseconds(5_000)))
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test
        func `100 abandoned handshakes leave nothing behind`() async throws {
            try await withTLS(hubs: .one("counts tasks and descriptors of the hub")) { live in
                let before = Counts(try live.statistics())
                let descriptors = openDescriptors()
                let hello = {
                    let end = TLSClientEnd(TestTLS())
                    _ = try? end.advanceHandshake()
                    return end.taken()
                }()
                let clients = try (0..<100).map { _ in try live.connect() }
                for (index, client) in clients.enumerated() {
                    // Some send nothing, some a part, some everything up to the server's answer.
                    switch index % 4 {
                    case 0: break
                    case 1: try client.sendUnsealed(Array(hello.prefix(index)))
                    default:
                        try client.sendUnsealed(hello)
                        if index % 4 == 3 { #expect(try client.hasInput(within: .seconds(10))) }
                    }
                }
                #expect(try eventually { try live.connectionCount() == 100 })
                for (index, client) in clients.enumerated() { try client.close(reset: index % 2 == 1) }
                #expect(try eventually { try live.connectionCount() == 0 })
                #expect(try eventually { Counts(try live.statistics()) == before })
                #expect(eventually { openDescriptors().isSubset(of: descriptors) })
                #expect(live.log.lines.allSatisfy { $0.level == .debug || $0.level == .info })
            }
        }

        @Test
        func `an unfinished handshake does not delay a stop`() async throws {
            try await withTLS { live in
                let silent = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 })
                live.server.stop(grace: .seconds(60))
                #expect(try silent.receiveUntilEnd(orReset: true).isEmpty)
                try live.waitUntilEnded()
            }
        }
    }
}
