import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchRetryTests {
    let upstream = Upstream()

    private func client(_ attempts: Int, _ change: (inout RetryPolicy) -> Void = { _ in }) -> FetchClient {
        var configuration = FetchConfiguration()
        configuration.retry = RetryPolicy(attempts: attempts)
        configuration.retry.baseDelay = .milliseconds(2)
        change(&configuration.retry)
        return FetchClient(configuration: configuration)
    }

    private func flaky(_ how: String, times: Int, name: String = "x") -> FetchRequest {
        FetchRequest(url: upstream.url("/flaky?n=\(times)&how=\(how)&name=\(name)"))
    }

    @Test(arguments: Style.allCases, ["hangup", "sever", "502", "503", "504"])
    func `a request that failed safely is retried`(_ style: Style, _ how: String) async throws {
        let (client, request) = (client(3), flaky(how, times: 2))
        try await onHub { hub in
            let text = try await style.execute(client, request).text
            #expect(text == "3" && FetchStatistics(of: hub).retries == 2)
        }
    }

    @Test(arguments: Style.allCases) func `a stream is retried until its head has arrived`(_ style: Style) async throws {
        let (client, request) = (client(3), flaky("503", times: 2))
        try await onHub { _ in
            let stream = try await style.stream(client, request)
            let piece = try await style.read(stream)
            #expect(stream.status == .ok && piece == Array("3".utf8))
        }
    }

    @Test func `nothing is retried by default`() async throws {
        let request = flaky("hangup", times: 1)
        try await onHub { hub in
            let error = try await fetchError { try await FetchClient().execute(request) }
            #expect(error?.code == .transfer && FetchStatistics(of: hub).retries == 0)
            let requests = try await upstream.count("requests")
            #expect(requests == 2)
        }
    }

    @Test func `the caller gets the last failure`() async throws {
        let (busy, broken, client) = (flaky("503", times: 9, name: "a"), flaky("hangup", times: 9, name: "b"), client(3))
        try await onHub { _ in
            let error = try await fetchError { try await client.execute(broken) }
            #expect(error?.code == .transfer)
            let response = try await client.execute(busy)
            #expect(response.status.code == 503 && response.text == "busy")
            // Three requests for each, and the request for the count.
            let requests = try await upstream.count("requests")
            #expect(requests == 7)
        }
    }

    @Test func `a refused connection is retried`() async throws {
        let client = client(4)
        try await onHub { hub in
            let error = try await fetchError { try await client.get("http://127.0.0.1:1/") }
            #expect(error?.code == .couldNotConnect && FetchStatistics(of: hub).retries == 3)
        }
    }

    @Test(arguments: [HTTPRequest.Method.post, .patch])
    func `a request that is not idempotent is retried only when the policy says so`(_ method: HTTPRequest.Method) async throws {
        var request = flaky("503", times: 1)
        request.method = method
        let (once, often) = (client(3), client(3) { $0.includesUnsafeMethods = true })
        try await onHub { [request] _ in
            let response = try await once.execute(request)
            #expect(response.status.code == 503)
            let second = try await often.execute(request).text
            #expect(second == "2")
        }
    }

    /// The request is sent again on a new connection, without using up a retry.
    @Test(arguments: [HTTPRequest.Method.get, .post])
    func `a request on a kept connection that ends is sent again on a new one`(_ method: HTTPRequest.Method) async throws {
        var request = flaky("hangup", times: 1)
        request.method = method
        try await onHub { [request] _ in
            // Leaves an idle connection.
            _ = try await FetchClient().get(upstream.url("/fixed"))
            let error = try await fetchError {
                let text = try await FetchClient().execute(request).text
                #expect(text == "2")
            }
            #expect((error?.code == .transfer) == (method == .post))
        }
    }

    @Test func `a request with a partial response is not retried`() async throws {
        let client = client(3)
        try await onHub { hub in
            let error = try await fetchError { try await client.get(upstream.url("/short")) }
            #expect(error?.code == .transfer && FetchStatistics(of: hub).retries == 0)
        }
    }

    @Test func `a retry waits for Retry-After up to a limit`() async throws {
        let client = client(2) { $0.maxRetryAfter = .seconds(1) }
        let (short, long) = (upstream.url("/flaky?n=1&how=503&after=1&name=a"), upstream.url("/flaky?n=1&how=503&after=2&name=b"))
        try await onHub { hub in
            let began = hub.now
            let text = try await client.get(short).text
            #expect(text == "2" && hub.now - began >= .seconds(1))
            let refused = try await client.get(long)
            #expect(refused.status.code == 503 && FetchStatistics(of: hub).retries == 1)
        }
    }

    @Test func `a retry whose pause would outlast the deadline is not attempted`() async throws {
        let client = client(2) { $0.maxRetryAfter = .seconds(600) }
        var request = FetchRequest(url: upstream.url("/flaky?n=1&how=503&after=300&name=a"))
        request.deadline = .after(.seconds(20))
        let response = try await onHub { [request] _ in try await client.execute(request) }
        #expect(response.status.code == 503)
    }

    @Test(arguments: Style.allCases) func `cancelling the caller ends the pause before a retry`(_ style: Style) async throws {
        let client = client(2) { $0.maxRetryAfter = .seconds(600) }
        var configuration = client.configuration
        configuration.timeout = .seconds(900)
        let patient = FetchClient(configuration: configuration)
        let request = FetchRequest(url: upstream.url("/flaky?n=1&how=503&after=300&name=a"))
        try await onHub { hub in
            let done = Event<FetchResponse>()
            let cancel = style.start(hub, patient, request, done: done)
            try await until { FetchStatistics(of: hub).retries == 1 }
            cancel()
            await #expect(throws: CancellationError.self) { try await done.wait() }
        }
    }

    @Test func `a body that has begun is sent again only if it is repeatable`() async throws {
        for isRepeatable in [false, true] {
            let body = FetchBody(isRepeatable: isRepeatable, streaming: { try await $0.write([65]) })
            var request = flaky("503", times: 1, name: "\(isRepeatable)")
            (request.method, request.body) = (.put, body)
            let client = client(2)
            let status = try await onHub { [request] _ in try await client.execute(request).status.code }
            #expect(status == (isRepeatable ? 200 : 503))
        }
    }

    @Test func `the retry budget limits retries during an outage`() async throws {
        let client = client(3) { ($0.budget, $0.budgetRatio) = (5, 0) }
        let url = upstream.url("/flaky?n=1000&how=503&name=a")
        try await onHub { hub in
            let began = hub.now
            for _ in 0..<50 { _ = try await client.get(url) }
            // Five retries, and one more for each second that this took.
            let seconds = Int((hub.now - began) / .seconds(1))
            #expect(FetchStatistics(of: hub).retries >= 5 && FetchStatistics(of: hub).retries <= 6 + seconds)
        }
    }
}
