import COpenSSL
import Tandem
import TandemTesting
import Testing

@testable import TandemHTTP

extension ServerTests {
    struct TLSResumptionTests {
        let directory = TemporaryDirectory()
        static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

        private func withTLS(
            _ configure: (inout TLSConfiguration) -> Void = { _ in },
            _ body: @escaping @Sendable (Live, TLSConfiguration) throws -> Void
        ) async throws {
            var tls = TLSConfiguration.with([TLSHandshakeTests.localhost], in: directory)
            configure(&tls)
            let configuration = tls
            try await withServer(
                {
                    $0.tls = configuration
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                },
                routes: { router in
                    router.get("/") { request async in
                        Response(text: "\(request.tls!.isResumed) \(request.tls!.clientSubject ?? "nobody")")
                    }
                },
                { try body($0, configuration) })
        }

        /// Sends one request. Returns its answer, and the session that the client can resume.
        private static func visit(_ live: Live, _ options: TestTLS) throws -> (text: String, session: TLSClientSession) {
            let client = try live.connectTLS(options)
            defer { try? client.close() }
            try client.send(.get, "/", headers: [.connection: "close"])
            let text = try client.receiveResponse().text
            #expect(client.tls?.isResumed == text.hasPrefix("true"))
            return (text, client.tls!.session)
        }

        @Test(arguments: versions)
        func `a session is resumed on any hub, also after a reload`(version: CInt) async throws {
            try await withTLS { live, tls in
                let first = try Self.visit(live, TestTLS(versions: version...version))
                #expect(first.text == "false nobody")
                for _ in 0..<8 {
                    let again = try Self.visit(live, TestTLS(versions: version...version, session: first.session))
                    #expect(again.text == "true nobody")
                }
                try live.server.prepareTLS(tls)()
                let later = try Self.visit(live, TestTLS(versions: version...version, session: first.session))
                #expect(later.text == "true nobody")
            }
        }

        @Test
        func `a client that sends no request gets a ticket too`() async throws {
            try await withTLS { live, _ in
                let client = try live.connectTLS(TestTLS(versions: TLS1_3_VERSION...TLS1_3_VERSION))
                defer { try? client.close() }
                #expect(try client.hasInput(within: .milliseconds(2_000)))
            }
        }

        @Test(arguments: versions)
        func `a session does not outlive the authority that verified its client`(version: CInt) async throws {
            let authority = TestCertificate(["Test Authority"], isAuthority: true)
            let another = TestCertificate(["Another Authority"], isAuthority: true)
            let alice = TestCertificate(["alice"], issuer: authority)
            let file = directory.write("ca.pem", authority.certificateText)
            let directory = directory
            try await withTLS {
                $0.clientAuthorities = file
                $0.clientCertificates = .optional
            } _: { live, tls in
                var options = TestTLS(certificate: alice, versions: version...version)
                let first = try Self.visit(live, options)
                #expect(first.text == "false CN=alice")
                options.session = first.session
                // The server verified the certificate when the session began.
                #expect(try Self.visit(live, options).text == "true CN=alice")
                directory.write("ca.pem", another.certificateText)
                try live.server.prepareTLS(tls)()
                options.certificate = nil
                #expect(try Self.visit(live, options).text == "false nobody")
            }
        }

        @Test(arguments: versions)
        func `a ticket of another server does not resume a session`(version: CInt) async throws {
            let options = TestTLS(versions: version...version)
            let session = Promise<TLSClientSession>()
            try await withTLS { live, _ in session.settle(.success(try Self.visit(live, options).session)) }
            try await withTLS { live, _ in
                var options = options
                options.session = try session.wait()
                #expect(try Self.visit(live, options).text == "false nobody")
            }
        }

        @Test
        func `a reload gives new connections the new certificate, and open ones keep theirs`() async throws {
            let renewed = TestCertificate(["localhost"])
            let directory = directory
            try await withTLS { live, tls in
                let open = try live.connectTLS(TestTLS(authority: TLSHandshakeTests.localhost))
                let put = {
                    _ = TLSConfiguration.with([renewed], in: directory)
                    return try live.server.prepareTLS(tls)
                }
                let use = try put()
                // The running server does not read them yet.
                try live.connectTLS(TestTLS(authority: TLSHandshakeTests.localhost)).close()
                use()
                #expect(throws: TestClientError.self) {
                    try live.connectTLS(TestTLS(authority: TLSHandshakeTests.localhost))
                }
                let new = try live.connectTLS(TestTLS(authority: renewed))
                for client in [open, new] {
                    for _ in 0..<2 {
                        try client.send(.get, "/")
                        #expect(try client.receiveResponse().text == "false nobody")
                    }
                }
            }
        }

        @Test
        func `a reload from an invalid file says why and changes nothing`() async throws {
            let directory = directory
            try await withTLS { live, tls in
                directory.write("0.crt", "hello")
                let error = #expect(throws: TLSError.self) { _ = try live.server.prepareTLS(tls) }
                #expect(error?.code == .malformedFile)
                #expect(error?.file == directory.path + "/0.crt")
                let client = try live.connectTLS(TestTLS(authority: TLSHandshakeTests.localhost))
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "false nobody")
            }
        }
    }
}
