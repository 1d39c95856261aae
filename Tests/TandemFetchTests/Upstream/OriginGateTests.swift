import Tandem
import TandemFetch
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct OriginGateTests {
    let upstream = Upstream()

    private func client(_ change: (inout FetchConfiguration) -> Void) -> FetchClient {
        var configuration = FetchConfiguration()
        change(&configuration)
        return FetchClient(configuration: configuration)
    }

    @Test(arguments: Style.allCases) func `callers are served in order`(_ style: Style) async throws {
        let client = client { $0.maxExchangesPerOrigin = 1 }
        let url = upstream.url("/fixed")
        try await onHub { hub in
            let order = Order()
            let answers = (0..<20).map { _ in Event<FetchResponse>() }
            for (number, answer) in answers.enumerated() {
                _ = style.start(hub, client, FetchRequest(url: url), done: answer)
                hub.spawn {
                    _ = try await answer.wait()
                    order.numbers.append(number)
                }
            }
            for answer in answers { _ = try await answer.wait() }
            try await until { order.numbers.count == 20 }
            #expect(order.numbers == Array(0..<20))
            #expect(FetchStatistics(of: hub).queued == 19 && FetchStatistics(of: hub).connections == 1)
        }
    }

    @Test func `one origin's line does not delay other origins`() async throws {
        let (client, other) = (client { $0.maxExchangesPerOrigin = 1 }, Upstream())
        let (silent, fixed) = (upstream.url("/silent"), other.url("/fixed"))
        try await onHub { hub in
            let cancels = (0..<5).map { _ in
                Style.async.start(hub, client, FetchRequest(url: silent), done: Event<FetchResponse>())
            }
            try await until { FetchStatistics(of: hub).waiting == 4 }
            let text = try await client.get(fixed).text
            #expect(text == "hello, tandem")
            for cancel in cancels { cancel() }
        }
    }

    @Test(arguments: Style.allCases) func `a full line refuses at once`(_ style: Style) async throws {
        let client = client { ($0.maxExchangesPerOrigin, $0.maxWaitersPerOrigin) = (1, 2) }
        let url = upstream.url("/silent")
        try await onHub { hub in
            let cancels = (0..<3).map { _ in
                Style.async.start(hub, client, FetchRequest(url: url), done: Event<FetchResponse>())
            }
            try await until { FetchStatistics(of: hub).waiting == 2 }
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .overloaded && error?.message.contains("1 exchanges are in flight and 2 wait") == true)
            #expect(FetchStatistics(of: hub).waiting == 2)
            for cancel in cancels { cancel() }
        }
    }

    @Test(arguments: Style.allCases) func `a caller waits in line no longer than the queue timeout`(_ style: Style) async throws {
        let client = client { ($0.maxExchangesPerOrigin, $0.queueTimeout) = (1, .milliseconds(50)) }
        let url = upstream.url("/silent")
        try await onHub { hub in
            let cancel = Style.async.start(hub, client, FetchRequest(url: url), done: Event<FetchResponse>())
            try await until { FetchStatistics(of: hub).transfers == 1 }
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .queueTimedOut && error?.isTimeout == true && FetchStatistics(of: hub).waiting == 0)
            cancel()
        }
    }

    @Test(arguments: Style.allCases) func `a cancelled caller gives its place to the next one`(_ style: Style) async throws {
        let client = client { $0.maxExchangesPerOrigin = 1 }
        let (silent, fixed) = (upstream.url("/silent"), upstream.url("/fixed"))
        try await onHub { hub in
            let (first, second, third) = (Event<FetchResponse>(), Event<FetchResponse>(), Event<FetchResponse>())
            let cancelFirst = style.start(hub, client, FetchRequest(url: silent), done: first)
            try await until { FetchStatistics(of: hub).transfers == 1 }
            let cancelSecond = style.start(hub, client, FetchRequest(url: silent), done: second)
            try await until { FetchStatistics(of: hub).waiting == 1 }
            _ = style.start(hub, client, FetchRequest(url: fixed), done: third)
            try await until { FetchStatistics(of: hub).waiting == 2 }
            cancelSecond()
            await #expect(throws: CancellationError.self) { try await second.wait() }
            #expect(FetchStatistics(of: hub).waiting == 1 && third.outcome == nil)
            cancelFirst()
            let text = try await third.wait().text
            #expect(text == "hello, tandem" && FetchStatistics(of: hub).waiting == 0)
        }
    }

    @Test func `an unfinished stream keeps its place until it is closed`() async throws {
        let client = client { $0.maxExchangesPerOrigin = 1 }
        let (endless, fixed) = (upstream.url("/endless"), upstream.url("/fixed"))
        try await onHub { hub in
            let stream = try await client.stream(FetchRequest(url: endless))
            let answer = Event<FetchResponse>()
            _ = Style.async.start(hub, client, FetchRequest(url: fixed), done: answer)
            try await until { FetchStatistics(of: hub).waiting == 1 }
            stream.close()
            let text = try await answer.wait().text
            #expect(text == "hello, tandem")
        }
    }

    /// Cancels at random moments, some of them just as the caller's turn comes.
    @Test(arguments: Style.allCases) func `random cancels lose no place`(_ style: Style) async throws {
        let client = client { $0.maxExchangesPerOrigin = 2 }
        let url = upstream.url("/slow?n=1")
        try await onHub { hub in
            var random = SystemRandomNumberGenerator()
            for _ in 0..<40 {
                let answers = (0..<8).map { _ in Event<FetchResponse>() }
                let cancels = answers.map { style.start(hub, client, FetchRequest(url: url), done: $0) }
                for cancel in cancels.shuffled(using: &random).prefix(5) {
                    try await sleep(for: .microseconds(Int.random(in: 0..<500, using: &random)))
                    cancel()
                }
                for answer in answers { do { _ = try await answer.wait() } catch is CancellationError {} }
                #expect(FetchStatistics(of: hub).transfers == 0 && FetchStatistics(of: hub).waiting == 0)
            }
        }
    }
}

private final class Order: @unchecked Sendable {
    var numbers: [Int] = []
}
