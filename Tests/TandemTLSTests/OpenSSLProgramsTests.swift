internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

/// Tests against the commands of OpenSSL.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct OpenSSLProgramsTests {
    let site = Site()

    /// Starts s_server, which answers each line with its letters in reverse. Returns it and its port.
    private func server(_ certificate: TestCertificate, _ more: String...) async throws -> (Program, UInt16) {
        let files = site.files(of: certificate)
        let program = try Program(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", files.chain, "-key", files.key, "-rev"] + more)
        let address = try await program.line(after: "ACCEPT ")
        return (program, UInt16(address.split(separator: ":").last!)!)
    }

    @Test(arguments: Style.allCases, ["-tls1_2", "-tls1_3"])
    func `s_server: lines go both ways`(style: Style, version: String) async throws {
        try await onHub {
            let (program, port) = try await server(.localhost, version)
            defer { program.end() }
            let stream = try await TLSStream.connect(style, port: port, context: try site.client())
            #expect(stream.details.version == (version == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"))
            for line in ["hello", String(repeating: "ab", count: 5_000)] {
                try await stream.write(style, line + "\n")
                #expect(try await stream.readLine(style) == String(line.reversed()))
            }
            try await stream.finishWriting(style)
            #expect(try await stream.readLine(style) == nil)
            stream.close()
        }
    }

    @Test func `s_server: a certificate for another host and ALPN`() async throws {
        try await onHub {
            let (program, port) = try await server(TestCertificate(["a.test"], issuer: .authority), "-alpn", "lines")
            defer { program.end() }
            let ours = try site.client { $0.protocols = ["other", "lines"] }
            #expect(
                await tlsError { _ = try await TLSStream.connect(host: "localhost", port: port, context: ours) }?.code
                    == .wrongHost)
            let stream = try await TLSStream.connect(
                over: try await TCPStream.connect(host: "localhost", port: port), host: "a.test", context: ours)
            #expect(stream.details.selectedProtocol == "lines")
            stream.close()
        }
    }

    @Test func `s_server: a program that is killed has not ended the stream`() async throws {
        try await onHub {
            let (program, port) = try await server(.localhost)
            let stream = try await TLSStream.connect(host: "localhost", port: port, context: try site.client())
            try await stream.write("abc\n")
            #expect(try await stream.readLine() == "cba")
            program.end()
            #expect(await tlsError { _ = try await stream.readLine() }?.code == .truncated)
            stream.close()
        }
    }

    @Test(arguments: Style.allCases, ["-tls1_2", "-tls1_3"])
    func `s_client: lines go both ways, and the client's certificate is known`(style: Style, version: String) async throws {
        try await onHub {
            let authority = site.directory.write("ca.pem", TestCertificate.authority.certificateText)
            let context = try site.server(protocols: ["lines"]) {
                $0.clientAuthorities = authority
                $0.clientCertificates = .required
            }
            let alice = site.files(of: TestCertificate(["alice"], issuer: .authority))
            let listener = try TCPListener(port: 0)
            let program = try Program(
                "openssl", "s_client", version, "-connect", "127.0.0.1:\(listener.local.port)", "-servername", "localhost",
                "-CAfile", authority, "-verify_return_error", "-cert", alice.chain, "-key", alice.key, "-alpn", "lines",
                "-quiet", "-no_ign_eof")
            defer { program.end() }
            let stream = try await TLSStream.accept(style, over: try await listener.accept(), context: context)
            listener.close()
            #expect(stream.details.clientSubject == "CN=alice")
            #expect(stream.details.serverName == "localhost")
            #expect(stream.details.selectedProtocol == "lines")
            try await program.io.write("hello\n")
            #expect(try await stream.readLine(style, deadline: .after(.seconds(10))) == "hello")
            try await stream.write(style, "answer to hello\n")
            _ = try await program.line(after: "answer to hello")
            // s_client ends with its input.
            try await program.io.finishWriting()
            #expect(try await stream.readLine(style, deadline: .after(.seconds(10))) == nil)
            stream.close()
        }
    }
}
