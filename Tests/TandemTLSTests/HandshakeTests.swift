internal import Glibc
internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HandshakeTests {
    let site = Site()

    /// Runs `body` with the port of a server that accepts TLS and answers each line with itself.
    private func withServer(
        _ context: TLSContext, host: String = "127.0.0.1", _ body: (UInt16) async throws -> Void
    ) async throws {
        let listener = try TCPListener(host: host, port: 0)
        let server = spawn {
            while let stream = try? await listener.accept() {
                spawn {
                    guard let stream = try? await TLSStream.accept(over: stream, context: context) else { return }
                    defer { stream.close() }
                    while let line = try await stream.readLine() { try await stream.write(line + "\n") }
                }
            }
        }
        do {
            try await body(listener.local.port)
        } catch {
            listener.close()
            throw error
        }
        listener.close()
        try await server.value
    }

    // MARK: Agreement

    @Test(arguments: Style.allCases)
    func `both ends know the version, the names and the protocol`(style: Style) async throws {
        try await onHub {
            let authority = TestCertificate(["ca"], isAuthority: true)
            let alice = TestCertificate(["alice"], issuer: authority)
            let file = site.directory.write("clients.pem", authority.certificateText)
            let context = try site.server(protocols: ["b", "a"]) {
                $0.clientAuthorities = file
                $0.clientCertificates = .required
            }
            let ours = try site.client {
                $0.certificate = site.files(of: alice)
                $0.protocols = ["a", "b", "c"]
            }
            let listener = try TCPListener(port: 0)
            defer { listener.close() }
            let accepting = spawn { try await TLSStream.accept(style, over: try await listener.accept(), context: context) }
            let client = try await TLSStream.connect(style, port: listener.local.port, context: ours)
            let server = try await accepting.value
            defer { for end in [client, server] { end.close() } }
            #expect(client.details.version == "TLSv1.3")
            #expect(client.details.selectedProtocol == "b")
            #expect(client.details.serverSubject == "CN=localhost")
            #expect(client.details.clientSubject == nil)
            #expect(server.details.selectedProtocol == "b")
            #expect(server.details.serverName == "localhost")
            #expect(server.details.clientSubject == "CN=alice")
            #expect(server.details.serverSubject == nil)
            #expect(client.peer == listener.local)
            #expect(server.peer == client.local)
        }
    }

    @Test func `SNI selects the certificate, and the client verifies it`() async throws {
        try await onHub {
            let names = ["localhost", "127.0.0.1"].map { TestCertificate([$0], issuer: .authority) }
            let ours = try site.client()
            try await withServer(try site.server(names)) { port in
                let stream = try await TLSStream.connect(
                    over: try await TCPStream.connect(host: "localhost", port: port), host: "localhost.", context: ours)
                defer { stream.close() }
                #expect(stream.details.serverName == "localhost")
            }
            // A numeric address is not sent, so the client gets the first certificate.
            try await withServer(try site.server(names.reversed())) { port in
                let stream = try await TLSStream.connect(host: "127.0.0.1", port: port, context: ours)
                defer { stream.close() }
                #expect(stream.details.serverName == nil)
                try await stream.write("hello\n")
                #expect(try await stream.readLine() == "hello")
            }
        }
    }

    @Test func `an IPv6 address may be the name of a certificate`() async throws {
        try await onHub {
            let context = try site.server([TestCertificate(["::1"], issuer: .authority)])
            try await withServer(context, host: "::1") { port in
                try await TLSStream.connect(host: "::1", port: port, context: try site.client()).close()
                let error = await tlsError {
                    _ = try await TLSStream.connect(
                        over: try await TCPStream.connect(host: "::1", port: port), host: "::2", context: try site.client())
                }
                #expect(error?.code == .wrongHost)
            }
        }
    }

    @Test func `the subject of a certificate is no name of its host`() async throws {
        try await onHub {
            let context = try site.server([TestCertificate([], subject: "localhost", issuer: .authority)])
            try await withServer(context) { port in
                let error = await tlsError {
                    _ = try await TLSStream.connect(host: "localhost", port: port, context: try site.client())
                }
                #expect(error?.code == .wrongHost)
            }
        }
    }

    @Test func `a host that begins with a dot is refused, because it would stand for all names below it`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            await #expect(throws: TandemError(.invalidArgument, "")) {
                _ = try await TLSStream.connect(over: client, host: ".localhost", context: try site.client())
            }
            server.close()
        }
    }

    @Test func `a file of authorities may hold the certificate itself, or an intermediate authority`() async throws {
        try await onHub {
            let middle = TestCertificate(["middle"], issuer: .authority, isAuthority: true)
            let leaf = TestCertificate(["localhost"], issuer: middle)
            for trusted in [leaf, middle] {
                let ours = try site.client(trusting: trusted)
                try await withServer(try site.server([leaf])) { port in
                    try await TLSStream.connect(host: "localhost", port: port, context: ours).close()
                }
            }
        }
    }

    @Test func `a client without ALPN is accepted, one with other protocols is refused`() async throws {
        try await onHub {
            let context = try site.server(protocols: ["a"])
            try await withServer(context) { port in
                let plain = try await TLSStream.connect(host: "localhost", port: port, context: try site.client())
                #expect(plain.details.selectedProtocol == nil)
                plain.close()
                let other = try site.client { $0.protocols = ["b"] }
                let error = await tlsError { _ = try await TLSStream.connect(host: "localhost", port: port, context: other) }
                #expect(error?.code == .refusedByPeer)
                #expect(error?.message.contains("no application protocol") == true)
            }
            #expect(await tlsError { _ = try site.client { $0.protocols = [""] } }?.code == .unacceptable)
            #expect(await tlsError { _ = try site.server(protocols: [""]) }?.code == .unacceptable)
        }
    }

    // MARK: Certificates

    @Test(arguments: Style.allCases)
    func `a certificate for another name is refused, and the error names both`(style: Style) async throws {
        try await onHub {
            let context = try site.server([TestCertificate(["a.test", "b.test"], issuer: .authority)])
            try await withServer(context) { port in
                let ours = try site.client()
                let error = await tlsError { _ = try await TLSStream.connect(style, port: port, context: ours) }
                #expect(error?.code == .wrongHost)
                #expect(
                    error?.message == """
                        the certificate of localhost:\(port) is not for localhost, but for DNS:a.test, DNS:b.test: connect by one of \
                        its names, or install a certificate for localhost
                        """)
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `an expired certificate and one that is not valid yet are refused`(style: Style) async throws {
        try await onHub {
            for (valid, code) in [
                (-7_200 ..< -3_600, TLSError.Code.certificateExpired), (3_600..<7_200, .certificateNotYetValid),
            ] {
                let context = try site.server([TestCertificate(["localhost"], issuer: .authority, validSeconds: valid)])
                try await withServer(context) { port in
                    let ours = try site.client()
                    let error = await tlsError { _ = try await TLSStream.connect(style, port: port, context: ours) }
                    #expect(error?.code == code)
                    #expect(error?.message.hasPrefix("the certificate of localhost:\(port) ") == true)
                    #expect(error?.message.contains("CN=localhost, ") == true)
                }
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `an unknown authority is refused, and the error says where authorities are named`(style: Style) async throws {
        try await onHub {
            try await withServer(try site.server()) { port in
                let others = [try site.client(trusting: TestCertificate(["other"], isAuthority: true)), try TLSClientContext()]
                for ours in others {
                    let error = await tlsError { _ = try await TLSStream.connect(style, port: port, context: ours) }
                    #expect(error?.code == .unknownAuthority)
                    #expect(error?.message.contains("localhost:\(port)") == true)
                    #expect(error?.message.contains("CN=Tandem test authority") == true)
                    #expect(error?.message.contains("TLSClientConfiguration.authorities") == true)
                }
                let error = await tlsError { _ = try await TLSStream.connect(host: "localhost", port: port) }
                #expect(error?.code == .unknownAuthority)
                #expect(error?.message.contains("the system's store") == true)
            }
        }
    }

    @Test func `a server refuses a client without a valid certificate, and both ends have an error`() async throws {
        try await onHub {
            let authority = TestCertificate(["ca"], isAuthority: true)
            let file = site.directory.write("clients.pem", authority.certificateText)
            let context = try site.server {
                $0.clientAuthorities = file
                $0.clientCertificates = .required
            }
            for (certificate, code) in [
                (nil, TLSError.Code.handshakeRefused), (TestCertificate(["mallory"]), .unknownAuthority),
                (TestCertificate(["bob"], issuer: authority, validSeconds: -7_200 ..< -3_600), .certificateExpired),
            ] {
                let ours = try site.client { $0.certificate = certificate.map(site.files) }
                let (client, server) = try await tcpPair()
                let accepting = spawn { await tlsError { _ = try await TLSStream.accept(over: server, context: context) } }
                // In TLS 1.3 the client's handshake is over before the server looks at the certificate.
                let error = await tlsError {
                    let stream = try await TLSStream.connect(over: client, host: "localhost", context: ours)
                    defer { stream.close() }
                    #expect(await tlsError { _ = try await stream.readLine() }?.code == .refusedByPeer)
                    // A cleanup that ends the stream does not wait for the peer.
                    try await stream.finishWriting()
                }
                #expect(error?.code == .refusedByPeer)
                let refusal = try await accepting.value
                #expect(refusal?.code == code)
                #expect(refusal?.message.contains("the client 127.0.0.1:") == true)
            }
        }
    }

    @Test func `a version below the minimum is refused at both ends`() async throws {
        try await onHub {
            let context = try site.server { $0.minimumVersion = .tls13 }
            let listener = try TCPListener(port: 0)
            defer { listener.close() }
            let program = try Program("openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:\(listener.local.port)")
            defer { program.end() }
            let error = await tlsError { _ = try await TLSStream.accept(over: try await listener.accept(), context: context) }
            #expect(error?.code == .handshakeRefused)
            #expect(error?.message.contains("unsupported protocol") == true)
        }
    }

    @Test func `unusable files are named`() async throws {
        let missing = TLSClientConfiguration(authorities: "/nowhere/ca.pem")
        let error = #expect(throws: TLSError.self) { _ = try TLSClientContext(missing) }
        #expect(error?.code == .unreadableFile)
        #expect(error?.file == "/nowhere/ca.pem")
        let pair = site.files(of: .localhost)
        let mixed = TLSConfiguration.Certificate(
            chain: pair.chain, key: site.directory.write("k", TestCertificate(["x"]).keyText))
        let mismatch = #expect(throws: TLSError.self) { _ = try TLSClientContext(TLSClientConfiguration(certificate: mixed)) }
        #expect(mismatch?.code == .keyMismatch)
        #expect(#expect(throws: TLSError.self) { _ = try TLSContext(TLSConfiguration()) }?.code == .noCertificate)
    }

    // MARK: Failures

    @Test(arguments: Style.allCases)
    func `a handshake that hangs ends at the deadline, or at the handshake timeout`(style: Style) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            defer { listener.close() }
            let patient = try site.client()
            let port = listener.local.port
            let error = await tandemError {
                _ = try await TLSStream.connect(style, port: port, context: patient, deadline: .after(.milliseconds(30)))
            }
            #expect(error?.code == .timedOut)
            #expect(
                error?.message
                    == "the TLS handshake with localhost:\(port) took too long: check that the port speaks TLS")
            let hasty = try site.client { $0.handshakeTimeout = .milliseconds(30) }
            #expect(await tandemError { _ = try await TLSStream.connect(style, port: port, context: hasty) }?.code == .timedOut)

            let (client, server) = try await tcpPair()
            let context = try site.server { $0.handshakeTimeout = .milliseconds(30) }
            #expect(
                await tandemError { _ = try await TLSStream.accept(style, over: server, context: context) }?.code == .timedOut)
            client.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `a handshake can be cancelled, and closes the connection`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let ours = try site.client()
            let connecting = spawn { try await TLSStream.connect(style, over: client, context: ours) }
            _ = try await server.readExactly(100)
            connecting.cancel()
            #expect(await failure { _ = try await connecting.value } is CancellationError)
            while try await server.read(atMost: 10_000) != nil {}
            server.close()
        }
    }

    @Test(arguments: Style.allCases, ["220 mail.test ESMTP\r\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
    func `a plain port is an error that says so`(style: Style, greeting: String) async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let server = spawn {
                let stream = try await listener.accept()
                defer { stream.close() }
                try await stream.write(greeting)
                while try await stream.read(atMost: 10_000) != nil {}
            }
            let ours = try site.client()
            let port = listener.local.port
            let error = await tlsError { _ = try await TLSStream.connect(style, port: port, context: ours) }
            #expect(error?.code == .notTLS)
            #expect(error?.message.hasPrefix("localhost:\(port) does not speak TLS (") == true)
            try await server.value
            listener.close()
        }
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n\r\n", "EHLO mail.test\r\n\r\n\r\n\r\n\r\n"])
    func `a plain client is an error that says so`(greeting: String) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            defer { client.close() }
            try await client.write(greeting)
            let context = try site.server()
            let error = await tlsError { _ = try await TLSStream.accept(over: server, context: context) }
            #expect(error?.code == .notTLS)
            #expect(error?.message.hasPrefix("the client \(client.local) does not speak TLS (") == true)
        }
    }

    @Test(arguments: [0, 1, 50])
    func `a peer that ends in the middle of the handshake is an error`(bytes: Int) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let ours = try site.client()
            let connecting = spawn {
                await tlsError { _ = try await TLSStream.connect(over: client, host: "localhost", context: ours) }
            }
            _ = try await server.read(atMost: 10_000)
            // The beginning of a record with a handshake message.
            let beginning = [22, 3, 3, 1, 0, 2, 0, 0, 250] + [UInt8](repeating: 3, count: 91)
            try await server.write(Array(beginning.prefix(bytes)))
            server.close()
            #expect(try await connecting.value?.code == .endedInHandshake)
        }
    }

    @Test func `a refused connection and an unknown host are errors of TCP`() async throws {
        try await onHub {
            let listener = try TCPListener(port: 0)
            let port = listener.local.port
            listener.close()
            #expect(await tandemError { _ = try await TLSStream.connect(host: "localhost", port: port) }?.code == .cannotConnect)
            #expect(
                await tandemError { _ = try await TLSStream.connect(host: "no such host", port: port) }?.code == .nameNotResolved)
            for host in ["", ".", String(repeating: "a", count: 256), "local\0host"] {
                let (client, server) = try await tcpPair()
                #expect(await tandemError { _ = try await TLSStream.connect(over: client, host: host) }?.code == .invalidArgument)
                #expect(client.isClosed)
                server.close()
            }
        }
    }
}
