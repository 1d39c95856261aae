import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchTLSTests {
    let upstream = Upstream(tls: true)

    @Test(arguments: Style.allCases) func refusesACertificateThatNobodyVouchesFor(_ style: Style) async throws {
        let url = upstream.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await style.get(FetchClient(), url) } }
        #expect(error?.code == .tls)
        #expect(error?.message.contains("certificate") == true)
    }

    @Test(arguments: Style.allCases) func trustsTheGivenAuthorities(_ style: Style) async throws {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/big?n=1000000", scheme: "https")
        try await onHub { _ in
            for _ in 0..<2 {
                let response = try await style.get(client, url)
                #expect(response.body.count == 1_000_000)
            }
            // A client that trusts others must not come in on that connection.
            let error = try await fetchError { try await style.get(FetchClient(), url) }
            #expect(error?.code == .tls)
        }
    }

    @Test func canBeToldNotToLook() async throws {
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

    @Test func aServerWithoutTLSIsSaidSo() async throws {
        let url = Upstream.shared.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await FetchClient().get(url) } }
        #expect(error?.code == .tls)
    }

    @Test func aMissingFileOfAuthoritiesIsSaidSo() async throws {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = "/nonexistent.pem"
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/fixed", scheme: "https")
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .tls && error?.message.contains("certificateAuthorities") == true)
    }
}
