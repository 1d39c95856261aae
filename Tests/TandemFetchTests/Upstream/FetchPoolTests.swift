import Glibc
import HTTPTypes
import Metrics
import MetricsTestKit
import Tandem
import TandemFetch
import Testing

/// The connections that are kept for later requests, and their lifetimes.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchPoolTests {
    let upstream = Upstream()

    private func client(_ change: (inout FetchConfiguration) -> Void) -> FetchClient {
        var configuration = FetchConfiguration()
        change(&configuration)
        return FetchClient(configuration: configuration)
    }

    /// Makes this many fetches at once, so that each has its own connection.
    private func fetchAtOnce(_ count: Int, _ client: FetchClient, _ upstream: Upstream, _ hub: Hub) async throws {
        let url = upstream.url("/slow?n=30")
        let fetches = (0..<count).map { _ in hub.spawn { _ = try await client.get(url) } }
        for fetch in fetches { try await fetch.value }
    }

    private func openDescriptors() -> Int { (0..<4096).count { fcntl($0, F_GETFD) != -1 } }

    @Test(arguments: Style.allCases) func `an idle connection is closed after the idle timeout`(_ style: Style) async throws {
        let client = client { $0.keepAlive = .milliseconds(150) }
        let url = upstream.url("/fixed")
        try await onHub { hub in
            _ = try await style.get(client, url)
            let descriptors = openDescriptors()
            #expect(FetchStatistics(of: hub).idleConnections == 1 && FetchStatistics(of: hub).connections == 1)
            try await until { FetchStatistics(of: hub).connections == 0 }
            #expect(FetchStatistics(of: hub).idleConnections == 0 && openDescriptors() == descriptors - 1)
            // The client closed the connection, and did not find it dead.
            #expect(FetchStatistics(of: hub).discardedConnections == 0)
        }
    }

    @Test func `each use restarts the idle timeout`() async throws {
        let client = client { $0.keepAlive = .milliseconds(400) }
        let url = upstream.url("/fixed")
        try await onHub { hub in
            for _ in 0..<6 {
                _ = try await client.get(url)
                try await sleep(for: .milliseconds(120))
            }
            #expect(FetchStatistics(of: hub).reusedConnections == 5)
        }
    }

    @Test func `idle connections per origin are limited`() async throws {
        let client = client { $0.maxIdlePerOrigin = 3 }
        try await onHub { hub in
            try await fetchAtOnce(8, client, upstream, hub)
            #expect(FetchStatistics(of: hub).idleConnections == 3 && FetchStatistics(of: hub).connections == 3)
        }
    }

    @Test func `idle connections per hub are limited, and the longest idle is closed first`() async throws {
        let other = Upstream()
        let client = client { $0.maxIdlePerHub = 4 }
        try await onHub { hub in
            try await fetchAtOnce(4, client, upstream, hub)
            try await fetchAtOnce(3, client, other, hub)
            #expect(FetchStatistics(of: hub).idleConnections == 4)
            let lines = hub.dump().locals
            #expect(lines.contains { $0.contains(":\(upstream.port): 0 in flight, 0 waiting, 1 idle connections") }, "\(lines)")
            #expect(lines.contains { $0.contains(":\(other.port): 0 in flight, 0 waiting, 3 idle connections") }, "\(lines)")
        }
    }

    @Test func `no idle connection is kept when the limit is zero`() async throws {
        for client in [client { $0.maxIdlePerOrigin = 0 }, client { $0.maxIdlePerHub = 0 }, client { $0.keepAlive = .zero }] {
            try await onHub { hub in
                for _ in 0..<3 { _ = try await client.get(upstream.url("/fixed")) }
                try await until { FetchStatistics(of: hub).connections == 0 }
                #expect(FetchStatistics(of: hub).idleConnections == 0)
            }
        }
    }

    @Test func `a connection at its maximum age is not used again`() async throws {
        let upstream = Upstream()
        let client = client { $0.maxConnectionAge = .milliseconds(200) }
        try await onHub { hub in
            _ = try await client.get(upstream.url("/fixed"))
            _ = try await client.get(upstream.url("/fixed"))
            #expect(FetchStatistics(of: hub).reusedConnections == 1)
            try await until { FetchStatistics(of: hub).connections == 0 }
            _ = try await client.get(upstream.url("/fixed"))
            #expect(FetchStatistics(of: hub).reusedConnections == 1)
        }
    }

    @Test func `an idle connection that the upstream closes is closed at once`() async throws {
        try await onHub { hub in
            do {
                let upstream = Upstream()
                _ = try await FetchClient().get(upstream.url("/fixed"))
                #expect(FetchStatistics(of: hub).idleConnections == 1)
            }
            try await until { FetchStatistics(of: hub).connections == 0 }
            #expect(FetchStatistics(of: hub).discardedConnections == 1)
        }
    }

    @Test func `idle and open connections are reported as metrics`() async throws {
        let metrics = TestMetrics()
        try await onHub { hub in
            try await withMetricsFactory(metrics) {
                try await fetchAtOnce(3, FetchClient(), upstream, hub)
                #expect(try metrics.expectMeter("tandem.client.connections.idle").lastValue == 3)
                _ = try await FetchClient().get(upstream.url("/fixed"))
                #expect(try metrics.expectMeter("tandem.client.connections.idle").lastValue == 3)
                #expect(try metrics.expectMeter("http.client.open_connections").lastValue == 3)
            }
        }
    }

    @Test func `a hub's dump lists fetches in flight and waiting callers`() async throws {
        let client = client { $0.maxExchangesPerOrigin = 2 }
        try await onHub { hub in
            let url = upstream.url("/slow?n=100")
            let fetches = (0..<3).map { _ in hub.spawn { _ = try await client.get(url) } }
            try await until { FetchStatistics(of: hub).waiting == 1 }
            let text = hub.dump().description
            #expect(text.contains("upstream http://127.0.0.1:\(upstream.port): 2 in flight, 1 waiting"), "\(text)")
            for fetch in fetches { try await fetch.value }
        }
    }

    @Test(.enabled(if: HTTP2Upstream.isInstalled, "scripts/setup nghttp2-server installs it"))
    func `an HTTP/2 session is closed after the idle timeout`() async throws {
        let upstream = try await HTTP2Upstream()
        let client = client {
            $0.httpVersion = .http2
            $0.certificateAuthorities = Upstream.certificate
            $0.keepAlive = .milliseconds(150)
        }
        try await onHub { hub in
            for _ in 0..<3 { _ = try await client.get(upstream.url("/small")) }
            #expect(FetchStatistics(of: hub).connections == 1 && FetchStatistics(of: hub).idleConnections == 1)
            try await until { FetchStatistics(of: hub).connections == 0 }
            _ = try await client.get(upstream.url("/small"))
        }
    }

    /// No connection is kept idle, so each request makes a new one.
    @Test func `repeated TLS connections to one origin succeed`() async throws {
        let upstream = Upstream(tls: true)
        let client = client {
            $0.certificateAuthorities = Upstream.certificate
            $0.maxIdlePerOrigin = 0
        }
        try await onHub { _ in
            for _ in 0..<3 {
                let text = try await client.get(upstream.url("/fixed", scheme: "https")).text
                #expect(text == "hello, tandem")
            }
        }
    }
}
