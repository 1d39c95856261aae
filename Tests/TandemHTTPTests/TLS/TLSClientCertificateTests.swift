import Logging
import COpenSSL
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TLSClientCertificateTests {
        static let authority = TestCertificate(["Test Authority"], isAuthority: true)
        static let alice = TestCertificate(["alice"], issuer: authority)
        static let stranger = TestCertificate(["mallory"], issuer: TestCertificate(["Other Authority"], isAuthority: true))
        static let expired = TestCertificate(["bob"], issuer: authority, validSeconds: -7200 ..< -3600)
        let directory = TemporaryDirectory()

        private func withTLS(
            _ demand: TLSConfiguration.ClientCertificates, _ body: @escaping @Sendable (Live) throws -> Void
        ) async throws {
            try await withServer(
                {
                    $0.tls = .with([TLSHandshakeTests.localhost], in: directory)
                    $0.tls!.clientCertificates = demand
                    $0.tls!.clientAuthorities = directory.write("ca.pem", Self.authority.certificateText)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                },
                routes: { router in
                    router.get("/") { request async in Response(text: request.tls?.clientSubject ?? "nobody") }
                }, body)
        }

        private static func subject(_ live: Live, _ options: TestTLS) throws -> String {
            let client = try live.connectTLS(options)
            defer { try? client.close() }
            try client.send(.get, "/")
            return try client.receiveResponse().text
        }

        private static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

        @Test(arguments: versions)
        func `required: a valid certificate is accepted and named, a missing or invalid one is refused`(version: CInt)
            async throws
        {
            try await withTLS(.required) { live in
                let versions = version...version
                let subject = try Self.subject(live, TestTLS(certificate: Self.alice, versions: versions))
                #expect(subject == "CN=alice")
                for certificate in [nil, Self.stranger, Self.expired] {
                    // With TLS 1.3 the client's handshake is over before the server has verified the certificate.
                    #expect(throws: (any Error).self) {
                        try Self.subject(live, TestTLS(certificate: certificate, versions: versions))
                    }
                }
                #expect(eventually { live.log.entries("TLS handshake failed").count == 3 })
                #expect(live.log.lines.allSatisfy { $0.level == .info && $0.metadata["peer"]?.hasPrefix("127.0.0.1:") == true })
                #expect(
                    Set(live.log.lines.compactMap { $0.metadata["reason"] })
                        == ["peer did not return a certificate", "certificate verify failed"])
            }
        }

        @Test(arguments: versions)
        func `optional: a client without a certificate is served, an invalid one is refused`(version: CInt) async throws {
            try await withTLS(.optional) { live in
                let versions = version...version
                let subject = try Self.subject(live, TestTLS(certificate: Self.alice, versions: versions))
                #expect(subject == "CN=alice")
                #expect(try Self.subject(live, TestTLS(versions: versions)) == "nobody")
                #expect(throws: (any Error).self) {
                    try Self.subject(live, TestTLS(certificate: Self.stranger, versions: versions))
                }
            }
        }

        @Test(arguments: versions)
        func `none: the server asks for no certificate and names no client`(version: CInt) async throws {
            try await withTLS(.none) { live in
                let subject = try Self.subject(live, TestTLS(certificate: Self.alice, versions: version...version))
                #expect(subject == "nobody")
            }
        }

        @Test(arguments: versions)
        func `a subject with special characters cannot pass for several names`(version: CInt) async throws {
            let tricky = TestCertificate(["eve"], subject: "eve,O=Admins+CN=root\nCN=alice \u{E9}", issuer: Self.authority)
            try await withTLS(.required) { live in
                let subject = try Self.subject(live, TestTLS(certificate: tricky, versions: version...version))
                #expect(subject == "CN=eve\\,O=Admins\\+CN=root\\0ACN=alice \u{E9}")
            }
        }
    }
}
