import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchTLSTests {
    let upstream = Upstream(tls: true)

    @Test(arguments: Style.allCases) func `a certificate from an unknown authority is refused`(_ style: Style) async throws {
        let url = upstream.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await style.get(FetchClient(), url) } }
        #expect(error?.code == .tls)
        #expect(error?.message.contains("certificate") == true)
    }

    @Test(arguments: Style.allCases) func `the given certificate authorities are trusted`(_ style: Style) async throws {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/big?n=1000000", scheme: "https")
        try await onHub { _ in
            for _ in 0..<2 {
                let response = try await style.get(client, url)
                #expect(response.body.count == 1_000_000)
            }
            // A client that trusts other authorities must not use that connection.
            let error = try await fetchError { try await style.get(FetchClient(), url) }
            #expect(error?.code == .tls)
        }
    }

    @Test func `verification of certificates can be turned off`() async throws {
        var configuration = FetchConfiguration()
        configuration.verifiesCertificates = false
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        try await onHub { _ in
            let text = try await client.get(url).text
            #expect(text == "hello, tandem")
            let error = try await fetchError { try await FetchClient().get(url) }
            #expect(error?.code == .tls)
        }
    }

    @Test func `a server without TLS is an error that says so`() async throws {
        let url = Upstream.shared.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await FetchClient().get(url) } }
        #expect(error?.code == .tls)
    }

    @Test func `a missing file of certificate authorities is an error that says so`() async throws {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = "/nonexistent.pem"
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .tls && error?.message.contains("certificateAuthorities") == true)
    }

    @Test(arguments: Style.allCases) func `the client certificate is sent to a server that asks for one`(_ style: Style)
        async throws
    {
        let upstream = Upstream(tls: true, demands: "clients")
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let nobody = FetchClient(configuration: configuration)
        configuration.clientCertificate = Upstream.certificate
        let known = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        try await onHub { _ in
            let text = try await style.get(known, url).text
            #expect(text == "hello, tandem")
            // A client without a certificate must not use that connection. TLS 1.3 refuses it only after the handshake, by an
            // alert that a reset may overtake.
            let error = try await fetchError { try await style.get(nobody, url) }
            #expect(error?.code == .tls || error?.code == .transfer, "\(String(describing: error))")
        }
    }

    @Test func `a missing certificate file is an error that says so`() async throws {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        configuration.clientCertificate = "/nonexistent.pem"
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .tls && error?.message.contains("/nonexistent.pem") == true)
    }

    @Test func `a TLS version below the minimum is refused`() async throws {
        let upstream = Upstream(tls: true, demands: "1.2")
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let lenient = FetchClient(configuration: configuration)
        configuration.minimumTLSVersion = .tls13
        let strict = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        try await onHub { _ in
            let text = try await lenient.get(url).text
            #expect(text == "hello, tandem")
            let error = try await fetchError { try await strict.get(url) }
            #expect(error?.code == .tls && error?.message.contains("version") == true, "\(String(describing: error))")
        }
    }
}
