import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchCancelTests {
    let upstream = Upstream()
    let client = FetchClient()

    @Test(arguments: Style.allCases) func `cancelling ends the fetch at once`(_ style: Style) async throws {
        let request = FetchRequest(url: upstream.url("/silent"))
        try await onHub { hub in
            let done = Event<FetchResponse>()
            let cancel = style.start(hub, client, request, done: done)
            // This request, and the requests that ask for the count.
            var asked = 0
            try await until {
                asked += 1
                return try await upstream.count("requests") == asked + 1
            }
            cancel()
            await #expect(throws: CancellationError.self) { try await done.wait() }
            #expect(FetchStatistics(of: hub).transfers == 0)
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    /// The fetch runs in one style, and the cancel comes from several bridges above, in either style.
    @Test(arguments: Style.allCases, [1, 2, 5]) func `a cancel reaches the fetch across bridges`(_ style: Style, _ bridges: Int)
        async throws
    {
        let request = FetchRequest(url: upstream.url("/silent"))
        @Sendable func asynchronous(_ bridges: Int) async throws -> FetchResponse {
            if bridges == 0 { return try await client.execute(request) }
            return try await Tandem.blocking { try synchronous(bridges - 1) }
        }
        @Sendable func synchronous(_ bridges: Int) throws -> FetchResponse {
            if bridges == 0 { return try client.execute(request) }
            return try awaiting { try await asynchronous(bridges - 1) }
        }
        try await onHub { hub in
            let task = hub.spawn {
                switch style {
                case .async: try await asynchronous(bridges)
                case .blocking: try await Tandem.blocking { try synchronous(bridges) }
                }
            }
            try await until { FetchStatistics(of: hub).transfers == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(FetchStatistics(of: hub).transfers == 0)
        }
    }

    @Test(arguments: Style.allCases) func `a cancel before the first step sends nothing`(_ style: Style) async throws {
        let request = FetchRequest(url: upstream.url("/silent"))
        try await onHub { hub in
            let done = Event<FetchResponse>()
            let task = hub.spawn {
                withUnsafeCurrentTask { $0!.cancel() }
                do { done.send(try await style.execute(client, request)) } catch { done.fail(error) }
            }
            await #expect(throws: CancellationError.self) { try await done.wait() }
            _ = await task.result
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases) func `cancelling a reader closes its stream`(_ style: Style) async throws {
        let request = FetchRequest(url: upstream.url("/stall"))
        try await onHub { hub in
            let stream = try await style.stream(client, request)
            _ = try await style.read(stream)
            let task = hub.spawn { try await style.read(stream) }
            try await sleep(for: .milliseconds(5))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(FetchStatistics(of: hub).transfers == 0)
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    /// Cancels while connecting, sending, receiving and ending.
    @Test(arguments: Style.allCases) func `cancels at random moments leave nothing behind`(_ style: Style) async throws {
        let requests = ["/fixed", "/slow?n=3", "/drip?n=3", "/big?n=300000", "/redirect?n=302&to=/fixed"].map {
            var request = FetchRequest(url: upstream.url($0))
            request.followRedirects = 1
            return request
        }
        try await onHub { hub in
            var random = SystemRandomNumberGenerator()
            for round in 0..<300 {
                let done = Event<FetchResponse>()
                let cancel = style.start(hub, client, requests[round % requests.count], done: done)
                try await sleep(for: .microseconds(Int.random(in: 0..<6000, using: &random)))
                cancel()
                do { _ = try await done.wait() } catch is CancellationError {}
                #expect(FetchStatistics(of: hub).transfers == 0)
            }
        }
    }

    @Test func `stopping the hub ends its fetches`() async throws {
        let request = FetchRequest(url: upstream.url("/silent"))
        let done = Event<FetchResponse>()
        try await onThread {
            try Hub.run {
                _ = Style.blocking.start(Hub.current!, client, request, done: done)
                try await until { FetchStatistics(of: Hub.current!).transfers == 1 }
            }
        }
        #expect(throws: CancellationError.self) { try done.outcome?.get() }
        try await until { try await upstream.count("disconnects") <= 1 }
    }
}
