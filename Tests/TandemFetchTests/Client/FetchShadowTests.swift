import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// Fetches in a shadow: `Shadow.isActive`.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchShadowTests {
    let upstream = Upstream()

    @Test(arguments: Style.allCases, [HTTPRequest.Method.post, .put, .patch, .delete, .init("PURGE")!])
    func `an unsafe method is refused before anything is sent`(style: Style, method: HTTPRequest.Method) async throws {
        let request = FetchRequest(url: upstream.url("/fixed"), method: method)
        try await onHub { _ in
            try await Shadow.$isActive.withValue(true) {
                let error = try await fetchError { try await style.execute(FetchClient(), request) }
                #expect(error?.code == .shadowed)
                let streamed = try await fetchError { try await style.stream(FetchClient(), request) }
                #expect(streamed?.code == .shadowed)
            }
            let requests = try await upstream.count("requests")
            #expect(requests == 1, "the count's own request")
        }
    }

    @Test func `it is refused at any depth of bridges, and in tasks that the code starts`() async throws {
        let request = FetchRequest(url: upstream.url("/fixed"), method: .post)
        try await onHub { hub in
            try await Shadow.$isActive.withValue(true) {
                let deep = try await fetchError {
                    try await blocking {
                        try awaiting { try await blocking { try awaiting { try await FetchClient().execute(request) } } }
                    }
                }
                #expect(deep?.code == .shadowed)
                let green = try await fetchError {
                    try await GreenThread(on: hub) { try FetchClient().execute(request) }.wait()
                }
                #expect(green?.code == .shadowed)
                let task = try await fetchError { try await hub.spawn { try await FetchClient().execute(request) }.value }
                #expect(task?.code == .shadowed)
                let child = try await fetchError {
                    async let child = FetchClient().execute(request)
                    return try await child
                }
                #expect(child?.code == .shadowed)
            }
        }
    }

    @Test(arguments: Style.allCases, [HTTPRequest.Method.get, .head, .options])
    func `a safe method is sent, with a mark`(style: Style, method: HTTPRequest.Method) async throws {
        let request = FetchRequest(url: upstream.url("/echo"), method: method)
        try await onHub { _ in
            let plain = try await style.execute(FetchClient(), request)
            #expect(!plain.text.lowercased().contains("tandem-shadow"))
            let marked = try await Shadow.$isActive.withValue(true) { try await style.execute(FetchClient(), request) }
            #expect(marked.status == plain.status)
            if method == .get { #expect(marked.text.lowercased().contains("tandem-shadow")) }
        }
    }

    @Test(arguments: Style.allCases) func `it makes one attempt`(style: Style) async throws {
        var configuration = FetchConfiguration()
        configuration.retry = RetryPolicy(attempts: 3)
        configuration.retry.baseDelay = .milliseconds(1)
        let client = FetchClient(configuration: configuration)
        let busy = FetchRequest(url: upstream.url("/flaky?n=9&how=503&name=a"))
        let broken = FetchRequest(url: upstream.url("/flaky?n=9&how=hangup&name=b"))
        try await onHub { hub in
            try await Shadow.$isActive.withValue(true) {
                let response = try await style.execute(client, busy)
                #expect(response.status.code == 503)
                let error = try await fetchError { try await style.execute(client, broken) }
                #expect(error?.code == .transfer)
            }
            #expect(FetchStatistics(of: hub).retries == 0)
        }
    }

    @Test(arguments: Style.allCases) func `it does not wait for a turn`(style: Style) async throws {
        var configuration = FetchConfiguration()
        configuration.maxExchangesPerOrigin = 1
        let client = FetchClient(configuration: configuration)
        let (silent, fixed) = (FetchRequest(url: upstream.url("/silent")), FetchRequest(url: upstream.url("/fixed")))
        try await onHub { hub in
            let first = hub.spawn { try await client.execute(silent) }
            try await until { FetchStatistics(of: hub).transfers == 1 }
            let error = try await Shadow.$isActive.withValue(true) {
                try await fetchError { try await style.execute(client, fixed) }
            }
            #expect(error?.code == .shadowed)
            #expect(FetchStatistics(of: hub).queued == 0)
            first.cancel()
            _ = await first.result
        }
    }
}
