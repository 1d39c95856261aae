import TandemTesting
import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import Testing

extension ServerTests {
    /// Tests with independent clients: the commands of OpenSSL and curl.
    struct TLSProgramsTests {
        static let authority = TestCertificate(["Test Authority"], isAuthority: true)
        let directory = TemporaryDirectory()

        private func withTLS(
            _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
            _ body: @escaping @Sendable (Live, String) throws -> Void
        ) async throws {
            let certificates = ["localhost", "*.example.test"].map { TestCertificate([$0], issuer: Self.authority) }
            let ca = directory.write("ca.pem", Self.authority.certificateText)
            try await withServer(
                {
                    $0.tls = .with(certificates, in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                    configure(&$0)
                },
                routes: { router in
                    router.collecting("/", .blocking)
                    router.echoing("/echo", .blocking)
                    router.get("/tls") { request async in
                        Response(text: "\(request.tls!.version) \(request.tls!.clientSubject ?? "nobody")")
                    }
                },
                { try body($0, ca) })
        }

        /// A request with Connection: close.
        private static let request = "GET /tls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

        @Test(arguments: ["-tls1_2", "-tls1_3"])
        func `s_client: TLS 1.2, TLS 1.3, ALPN and SNI work`(version: String) async throws {
            try await withTLS { live, ca in
                let said = try run(
                    "openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", version, "-alpn", "h2,http/1.1", "-servername",
                    "www.example.test", "-verify_hostname", "www.example.test", "-CAfile", ca, "-verify_return_error",
                    "-ign_eof", input: Self.request)
                #expect(said.status == 0, "\(said.all)")
                #expect(said.text.contains("ALPN protocol: http/1.1"))
                #expect(said.text.contains("Verification: OK"))
                #expect(said.text.contains("subject=CN = *.example.test"))
                #expect(said.text.contains(version == "-tls1_2" ? "TLSv1.2 nobody" : "TLSv1.3 nobody"), "\(said.text)")
            }
        }

        @Test
        func `s_client: an unknown ALPN protocol is refused with the alert of RFC 7301`() async throws {
            try await withTLS { live, _ in
                let said = try run("openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", "-alpn", "h2")
                #expect(said.status != 0)
                #expect(said.errors.contains("no application protocol"), "\(said.errors)")
            }
        }

        @Test
        func `s_client: old versions, renegotiation and compression are refused`() async throws {
            try await withTLS { live, _ in
                for version in ["-tls1", "-tls1_1"] {
                    let said = try run(
                        "openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", version, "-cipher", "ALL:@SECLEVEL=0")
                    #expect(said.status != 0 && said.errors.contains("protocol version"), "\(said.errors)")
                }
                // A line "R" asks for a renegotiation.
                let said = try run("openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", "-tls1_2", input: "R\n")
                #expect(said.text.contains("Compression: NONE"))
                #expect(said.all.contains("no renegotiation"), "\(said.all)")
            }
        }

        @Test(arguments: ["-tls1_2", "-tls1_3"])
        func `s_client: a session is resumed`(version: String) async throws {
            try await withTLS { live, _ in
                let session = directory.path + "/session"
                let connect = ["-connect", "127.0.0.1:\(live.port)", version, "-ign_eof"]
                let first = try run(
                    "openssl", "s_client", connect[0], connect[1], connect[2], connect[3], "-sess_out", session,
                    input: Self.request)
                #expect(first.text.contains("\nNew, TLSv1"), "\(first.all)")
                let second = try run(
                    "openssl", "s_client", connect[0], connect[1], connect[2], connect[3], "-sess_in", session,
                    input: Self.request)
                #expect(second.text.contains("\nReused, TLSv1"), "\(second.all)")
            }
        }

        @Test
        func `s_client: the server asks for a client certificate and knows its subject`() async throws {
            let alice = TestCertificate(["alice"], issuer: Self.authority)
            let (certificate, key) = (
                directory.write("alice.crt", alice.certificateText), directory.write("alice.key", alice.keyText)
            )
            try await withTLS {
                $0.tls!.clientCertificates = .required
                $0.tls!.clientAuthorities = directory.path + "/ca.pem"
            } _: { live, ca in
                let said = try run(
                    "openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", "-cert", certificate, "-key", key, "-ign_eof",
                    input: Self.request)
                #expect(said.text.contains("Acceptable client certificate CA names\nCN = Test Authority"))
                #expect(said.text.contains("TLSv1.3 CN=alice"), "\(said.all)")
                let none = try run(
                    "openssl", "s_client", "-connect", "127.0.0.1:\(live.port)", "-ign_eof", input: Self.request)
                #expect(none.status != 0)
                #expect(none.errors.contains("certificate required"), "\(none.errors)")
            }
        }

        @Test(arguments: ["1.2", "1.3"])
        func `curl: certificates are verified, and bodies of any size go both ways`(version: String) async throws {
            let body = directory.write("body", String(repeating: "0123456789abcdef", count: 100_000))
            try await withTLS { live, ca in
                for path in ["/", "/echo"] {
                    let said = try run(
                        "curl", "-sS", "--cacert", ca, "--tlsv\(version)", "--tls-max", version, "--data-binary", "@\(body)",
                        "https://localhost:\(live.port)\(path)", "--resolve", "localhost:\(live.port):127.0.0.1")
                    #expect(said.status == 0, "\(said.errors)")
                    #expect(said.text == String(repeating: "0123456789abcdef", count: 100_000))
                }
                let strict = try run("curl", "-sS", "https://127.0.0.1:\(live.port)/tls")
                #expect(strict.status == 60, "\(strict.errors)")
            }
        }

        @Test
        func `curl: HTTP/1.0, several requests per connection, and plain HTTP by mistake`() async throws {
            try await withTLS { live, ca in
                let url = "https://localhost:\(live.port)/tls"
                let resolve = "localhost:\(live.port):127.0.0.1"
                let old = try run("curl", "-sS", "-0", "--cacert", ca, url, "--resolve", resolve)
                #expect(old.text == "TLSv1.3 nobody", "\(old.errors)")
                let twice = try run("curl", "-sS", "--cacert", ca, "-w", "%{num_connects}", url, url, "--resolve", resolve)
                #expect(twice.text == "TLSv1.3 nobody1TLSv1.3 nobody0", "\(twice.errors)")
                let plain = try run("curl", "-sS", "http://127.0.0.1:\(live.port)/tls")
                #expect(plain.text == "this port speaks TLS: use https\n", "\(plain.errors)")
            }
        }
    }
}
