import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchClientTests {
    let upstream = Upstream.shared
    let client = FetchClient()

    @Test(arguments: Style.allCases) func `a body of known length is returned whole`(_ style: Style) async throws {
        let url = upstream.url("/fixed")
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.status == .ok)
        #expect(response.text == "hello, tandem")
        #expect(response.url == url)
        #expect(response.headers[.contentLength] == "13")
        #expect(response.headers[values: HTTPField.Name("X-Many")!] == ["1", "2"])
        #expect(response.headers[HTTPField.Name("X-Empty")!] == "")
    }

    @Test(arguments: Style.allCases) func `a chunked body is returned whole`(_ style: Style) async throws {
        let url = upstream.url("/chunked?n=3")
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.text == "chunk 0;chunk 1;chunk 2;")
        #expect(response.headers[HTTPField.Name("X-Trailer")!] == nil)
    }

    @Test(arguments: Style.allCases) func `a gzip body is decoded`(_ style: Style) async throws {
        let url = upstream.url("/gzip?n=100000")
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.body == [UInt8](repeating: UInt8(ascii: "z"), count: 100_000))
        #expect(response.headers[.contentEncoding] == nil && response.headers[.contentLength] == nil)
    }

    @Test func `decoding can be turned off`() async throws {
        var configuration = FetchConfiguration()
        configuration.decompresses = false
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/gzip?n=100000")
        let response = try await onHub { _ in try await client.get(url) }
        #expect(response.headers[.contentEncoding] == "gzip")
        #expect(response.body.starts(with: [0x1f, 0x8b]) && response.body.count < 1000)
    }

    @Test func `interim responses are skipped`() async throws {
        let url = upstream.url("/early")
        let response = try await onHub { _ in try await client.get(url) }
        #expect(response.status.code == 200 && response.text == "late")
        #expect(response.headers[HTTPField.Name("Link")!] == nil)
    }

    @Test(arguments: Style.allCases) func `a large body is returned whole`(_ style: Style) async throws {
        let url = upstream.url("/big?n=5000000")
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.body.count == 5_000_000)
        #expect(response.body.prefix(4_999_000).enumerated().allSatisfy { $0.element == UInt8($0.offset % 251) })
    }

    @Test(arguments: Style.allCases) func `two hundred fetches run at once on one hub`(_ style: Style) async throws {
        let url = upstream.url("/slow?n=50")
        try await onHub { hub in
            let answers = (0..<200).map { _ in Event<FetchResponse>() }
            for answer in answers { _ = style.start(hub, client, FetchRequest(url: url), done: answer) }
            for answer in answers {
                let text = try await answer.wait().text
                #expect(text == "slow")
            }
        }
    }

    @Test func `both styles share one connection`() async throws {
        let upstream = Upstream()
        let url = upstream.url("/fixed")
        try await onHub { hub in
            for _ in 0..<10 {
                for style in Style.allCases { _ = try await style.get(client, url) }
                // A client is only a configuration, so another client finds the same connection.
                _ = try await FetchClient().get(url)
            }
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
            #expect(FetchStatistics(of: hub).idleConnections == 1)
        }
    }

    @Test func `the limit of connections is kept`() async throws {
        let upstream = Upstream()
        var configuration = FetchConfiguration()
        configuration.maxExchangesPerOrigin = 3
        let client = FetchClient(configuration: configuration)
        let url = upstream.url("/slow?n=5")
        try await onHub { hub in
            let answers = (0..<30).map { _ in Event<FetchResponse>() }
            for answer in answers { _ = Style.async.start(hub, client, FetchRequest(url: url), done: answer) }
            for answer in answers {
                let text = try await answer.wait().text
                #expect(text == "slow")
            }
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 3)
        }
    }

    @Test func `a fetch does not block its hub`() async throws {
        let url = upstream.url("/slow?n=200")
        try await onHub { hub in
            let answer = Event<FetchResponse>()
            _ = Style.blocking.start(hub, client, FetchRequest(url: url), done: answer)
            var ticks = 0
            while answer.outcome == nil {
                try await blocking { try sleep(for: .milliseconds(1)) }
                ticks += 1
            }
            #expect(ticks > 10)
            _ = try await answer.wait()
        }
    }

    @Test func `a caller outside any hub can fetch`() async throws {
        let url = upstream.url("/fixed")
        // From Swift's own pool, from the main actor, and from an OS thread.
        #expect(try await client.get(url).text == "hello, tandem")
        #expect(try await onMainActor(client, url).text == "hello, tandem")
        #expect(try await onThread { try client.get(url) }.text == "hello, tandem")
    }

    @MainActor private func onMainActor(_ client: FetchClient, _ url: String) async throws -> FetchResponse {
        try await client.get(url)
    }

    @Test func `a blocking call in async code throws an error that names its line`() async throws {
        let url = upstream.url("/fixed")
        try await onHub { _ in
            func legacy() throws -> FetchResponse { try client.get(url) }
            let error = #expect(throws: TandemError.self) { try legacy() }
            #expect(error?.code == .notOnGreenThread)
            #expect(error?.message.contains("FetchClientTests.swift:") == true)
        }
    }
}
