import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: HTTP2Upstream.isInstalled, "scripts/setup nghttp2-server installs it"))
struct HTTP2Tests {
    private func client(_ version: FetchConfiguration.HTTPVersion, _ change: (inout FetchConfiguration) -> Void = { _ in })
        -> FetchClient
    {
        var configuration = FetchConfiguration()
        configuration.httpVersion = version
        configuration.certificateAuthorities = Upstream.certificate
        change(&configuration)
        return FetchClient(configuration: configuration)
    }

    @Test(arguments: Style.allCases) func `whole responses share one connection`(_ style: Style) async throws {
        let upstream = try await HTTP2Upstream()
        let client = client(.http2)
        try await onHub { hub in
            let answers = (0..<50).map { _ in Event<FetchResponse>() }
            for answer in answers { _ = style.start(hub, client, FetchRequest(url: upstream.url("/small")), done: answer) }
            for answer in answers {
                let response = try await answer.wait()
                #expect(response.status == .ok && response.body.count == 5)
            }
            #expect(FetchStatistics(of: hub).connections == 1)
        }
    }

    @Test(arguments: Style.allCases) func `whole and streamed bodies are sent`(_ style: Style) async throws {
        let upstream = try await HTTP2Upstream()
        let client = client(.http2)
        let piece = [UInt8](repeating: 65, count: 10_000)
        for body in [FetchBody.bytes(piece), FetchBody(streaming: { for _ in 0..<10 { try await $0.write(piece) } })] {
            let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
            let response = try await onHub { _ in try await style.execute(client, request) }
            #expect(response.body.count == (body.contentLength ?? 100_000) && response.body.allSatisfy { $0 == 65 })
        }
    }

    @Test func `the client falls back to HTTP/1.1 when the server has no HTTP/2`() async throws {
        let (upstream, client) = (Upstream(tls: true), client(.http2))
        let text = try await onHub { _ in try await client.get(upstream.url("/fixed", scheme: "https")).text }
        #expect(text == "hello, tandem")
    }

    @Test(arguments: Style.allCases) func `an unread stream does not hold up the others`(_ style: Style) async throws {
        let upstream = try await HTTP2Upstream()
        let client = client(.http2)
        try await onHub { hub in
            _ = try await client.get(upstream.url("/small"))
            let stream = try await style.stream(client, FetchRequest(url: upstream.url("/big")))
            try await until { stream.buffered > 200 * 1024 }
            for _ in 0..<10 {
                let response = try await style.get(client, upstream.url("/small"))
                #expect(response.body.count == 5 && stream.buffered <= 256 * 1024)
            }
            #expect(FetchStatistics(of: hub).connections == 1)
            // The unread stream does not keep the hub busy either.
            let turns = hub.statistics.turns
            try await sleep(for: .milliseconds(300))
            #expect(hub.statistics.turns - turns < 100, "\(hub.statistics.turns - turns)")
            var count = 0
            while let piece = try await style.read(stream) { count += piece.count }
            #expect(count == 64 * 1024 * 1024)
        }
    }

    @Test(arguments: Style.allCases) func `cancelling one stream leaves the others of its connection running`(_ style: Style)
        async throws
    {
        let upstream = try await HTTP2Upstream()
        let client = client(.http2) { $0.maxResponseBytes = .max }
        try await onHub { hub in
            _ = try await client.get(upstream.url("/small"))
            let (big, other) = (Event<FetchResponse>(), Event<FetchResponse>())
            let cancel = style.start(hub, client, FetchRequest(url: upstream.url("/big")), done: big)
            _ = style.start(hub, client, FetchRequest(url: upstream.url("/big")), done: other)
            try await until { FetchStatistics(of: hub).transfers == 2 }
            cancel()
            await #expect(throws: CancellationError.self) { try await big.wait() }
            let count = try await other.wait().body.count
            #expect(count == 64 * 1024 * 1024 && FetchStatistics(of: hub).connections == 1)
        }
    }
}
