import FakeResolver
import Glibc
import Synchronization
import Tandem
import TandemFetch
import Testing

/// The rules of libcurl's multi interface for a foreign loop. `SocketWatchesTests` covers the others.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CurlMultiTests {
    let upstream = Upstream()

    private func openDescriptors() -> Int { (0..<4096).count { fcntl($0, F_GETFD) != -1 } }

    @Test(arguments: Style.allCases) func `a transfer ended in a callback is removed after libcurl has returned`(_ style: Style)
        async throws
    {
        let (endless, fixed) = (upstream.url("/endless"), upstream.url("/fixed"))
        try await onHub { hub in
            let stream = try await style.stream(FetchClient(), FetchRequest(url: endless))
            var request = FetchRequest(url: fixed)
            // libcurl calls this on the hub's stack.
            request.addressPolicy = AddressPolicy { _, _ in
                stream.close()
                return true
            }
            let text = try await style.execute(FetchClient(), request).text
            #expect(text == "hello, tandem")
            let error = try await fetchError { while try await style.read(stream) != nil {} }
            #expect(error?.code == .closed && FetchStatistics(of: hub).transfers == 0)
        }
    }

    @Test(arguments: Style.allCases) func `an address refused in a callback fails only its own fetch`(_ style: Style) async throws
    {
        let url = upstream.url("/slow?n=30")
        try await onHub { hub in
            let others = (0..<10).map { _ in Event<FetchResponse>() }
            for other in others { _ = style.start(hub, FetchClient(), FetchRequest(url: url), done: other) }
            try await until { FetchStatistics(of: hub).transfers == 10 }
            var request = FetchRequest(url: url)
            request.addressPolicy = AddressPolicy { _, _ in false }
            for _ in 0..<10 {
                let error = try await fetchError { [request] in try await style.execute(FetchClient(), request) }
                #expect(error?.code == .refused)
            }
            for other in others {
                let text = try await other.wait().text
                #expect(text == "slow")
            }
        }
    }

    /// The resolver's wake-up descriptors are watched like any other, and must not stay ready.
    @Test(arguments: Style.allCases) func `waiting for libcurl does not spin the hub`(_ style: Style) async throws {
        fake_resolver_teach("hangs-too.test", "hang")
        try await onHub { hub in
            let (name, answer) = (Event<FetchResponse>(), Event<FetchResponse>())
            let cancelName = style.start(hub, FetchClient(), FetchRequest(url: "http://hangs-too.test/"), done: name)
            let cancelAnswer = style.start(hub, FetchClient(), FetchRequest(url: upstream.url("/silent")), done: answer)
            try await until { FetchStatistics(of: hub).transfers == 2 }
            try await sleep(for: .milliseconds(50))
            let turns = hub.statistics.turns
            try await sleep(for: .milliseconds(500))
            // libcurl polls its resolver up to every 250 ms.
            #expect(hub.statistics.turns - turns < 50, "\(hub.statistics.turns - turns)")
            cancelName()
            cancelAnswer()
            for event in [name, answer] { await #expect(throws: CancellationError.self) { try await event.wait() } }
        }
        fake_resolver_release()
    }

    /// Some cancels come during the name lookup or a handshake, when libcurl closes the socket without its callback.
    @Test(arguments: Style.allCases) func `cancelling closes every socket and keeps the count right`(_ style: Style) async throws
    {
        let secure = Upstream(tls: true)
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let client = FetchClient(configuration: configuration)
        let urls = [secure.url("/silent", scheme: "https"), upstream.url("/silent"), "http://localhost:\(upstream.port)/silent"]
        _ = try await onHub { _ in try await client.get(secure.url("/fixed", scheme: "https")) }
        let before = openDescriptors()
        try await onHub { hub in
            var random = SystemRandomNumberGenerator()
            for round in 0..<120 {
                let done = Event<FetchResponse>()
                let cancel = style.start(hub, client, FetchRequest(url: urls[round % urls.count]), done: done)
                try await sleep(for: .microseconds(Int.random(in: 0..<3000, using: &random)))
                cancel()
                await #expect(throws: CancellationError.self) { try await done.wait() }
                let statistics = FetchStatistics(of: hub)
                #expect(statistics.transfers == 0 && statistics.sockets == 0)
            }
            try await until { FetchStatistics(of: hub).connections == 0 }
        }
        #expect(openDescriptors() == before)
    }

    @Test func `connections survive a moment with few fetches`() async throws {
        let (slow, fixed) = (upstream.url("/slow"), upstream.url("/fixed"))
        try await onHub { hub in
            let client = FetchClient()
            let many = (0..<16).map { _ in hub.spawn { _ = try await client.get(slow) } }
            for fetch in many { try await fetch.value }
            #expect(FetchStatistics(of: hub).connections == 16)
            _ = try await client.get(fixed)
            #expect(FetchStatistics(of: hub).connections == 16)
        }
    }

    @Test func `no timer is left when the last connection has closed`() async throws {
        let url = upstream.url("/fixed")
        var configuration = FetchConfiguration()
        configuration.keepAlive = .milliseconds(50)
        let client = FetchClient(configuration: configuration)
        try await onHub { hub in
            let before = hub.statistics.timers
            for _ in 0..<5 { _ = try await client.get(url) }
            #expect(FetchStatistics(of: hub).idleConnections == 1)
            try await until { hub.statistics.timers <= before }
            #expect(FetchStatistics(of: hub).connections == 0)
        }
    }

    @Test func `nothing is sent before the hub's next turn`() async throws {
        let url = upstream.url("/fixed")
        try await onHub { hub in
            let fetching = hub.spawn { try await FetchClient().get(url) }
            // The task runs now until it waits.
            try await sleep(for: .zero)
            #expect(FetchStatistics(of: hub).transfers == 1 && FetchStatistics(of: hub).connections == 0)
            _ = try await fetching.value
        }
    }
}
