import CoreMetrics
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The metrics of a server, as Prometheus reads them.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ServerMetricsTests {
    @discardableResult private func withCounting(
        _ configure: (inout HTTPServerConfiguration) -> Void = { _ in }, routes: (Router) -> Void,
        _ body: (TestClient, MetricsRegistry) async throws -> Void
    ) async throws -> [String: ParsedFamily] {
        let registry = MetricsRegistry()
        let router = Router()
        routes(router)
        var configuration = HTTPServerConfiguration()
        configure(&configuration)
        try await withMetricsFactory(registry) {
            try await withTestServer(router, .live, configuration: configuration) { try await body($0, registry) }
        }
        // All connections and requests have ended with the server.
        let families = try parse(registry)
        #expect(families["tandem_server_connections_active"]?.value() == 0)
        for sample in families["http_server_active_requests"]?.samples ?? [] { #expect(sample.value == "0.0") }
        return families
    }

    private func parse(_ registry: MetricsRegistry) throws -> [String: ParsedFamily] {
        try parsePrometheus(Exposition.text(registry.snapshot(), .prometheus))
    }

    /// Sends these bytes on a new connection, and waits until the server has closed it.
    private func send(_ text: String, with client: TestClient) async throws {
        try await client.withConnection { connection in
            try await connection.send(text)
            _ = try await connection.receiveUntilEnd()
        }
    }

    @Test(arguments: Style.allCases)
    func `requests are counted by route, method and status`(style: Style) async throws {
        struct Broken: Error {}
        try await withCounting(routes: { router in
            switch style {
            case .blocking:
                router.get("/users/{id}") { _ in Response(text: "hello") }
                router.post("/echo") { Response(body: try $0.body.collect(upTo: 1 << 20)) }
                router.get("/broken") { _ in throw Broken() }
            case .async:
                router.get("/users/{id}") { _ async in Response(text: "hello") }
                router.post("/echo") { Response(body: try await $0.body.collect(upTo: 1 << 20)) }
                router.get("/broken") { _ async throws in throw Broken() }
            }
        }) { client, registry in
            let end = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            for id in 0..<20 { try await send("GET /users/\(id) \(end)\r\n", with: client) }
            try await send("HEAD /users/1 \(end)\r\n", with: client)
            try await send("POST /echo \(end)Content-Length: 2000\r\n\r\n" + String(repeating: "x", count: 2_000), with: client)
            try await send("GET /broken \(end)\r\n", with: client)
            try await send("GET /users/1 HTTP/1.0\r\n\r\n", with: client)
            for index in 0..<20 {
                try await send("GET /secret\(index) \(end)\r\n", with: client)
                try await send("BREW\(index) / \(end)\r\n", with: client)
            }
            try await send("NONSENSE\r\n\r\n", with: client)
            let families = try parse(registry)
            let duration = try #require(families["http_server_request_duration_seconds"])
            let route = ["http_route": "/users/{id}", "http_response_status_code": "200", "url_scheme": "http"]
            func count(_ labels: [String: String]) -> Double? { duration.value("_count", labels) }
            #expect(count(route.merging(["http_request_method": "GET", "network_protocol_version": "1.1"]) { $1 }) == 20)
            #expect(count(route.merging(["http_request_method": "GET", "network_protocol_version": "1.0"]) { $1 }) == 1)
            #expect(count(route.merging(["http_request_method": "HEAD"]) { $1 }) == 1)
            #expect(count(["http_route": "/broken", "http_response_status_code": "500"]) == 1)
            // Paths and methods that clients invent do not become labels.
            #expect(count(["http_request_method": "GET", "http_response_status_code": "404"]) == 20)
            #expect(count(["http_request_method": "_OTHER", "http_response_status_code": "501"]) == 20)
            #expect(!duration.samples.contains { $0.labels.values.contains { $0.contains("secret") || $0.contains("BREW") } })
            #expect(duration.samples.filter { $0.name.hasSuffix("_count") }.count == 7)
            let echo = ["http_route": "/echo"]
            #expect(families["http_server_request_body_size_bytes"]?.value("_sum", echo) == 2_000)
            #expect(families["http_server_response_body_size_bytes"]?.value("_sum", echo) == 2_000)
            #expect(families["http_server_response_body_size_bytes"]?.value("_sum", ["http_request_method": "HEAD"]) == 0)
            #expect(families["tandem_server_requests_refused"]?.value("_total", ["http_response_status_code": "400"]) == 1)
            #expect(families["tandem_server_connections_accepted"]?.value("_total") == 65)
        }
    }

    @Test(arguments: Style.allCases)
    func `active and cut requests are counted`(style: Style) async throws {
        let (started, never) = (Event<Void>(), Event<Void>())
        let families = try await withCounting(routes: { router in
            switch style {
            case .blocking:
                router.get("/") { _ in
                    started.send(()); try never.wait(); return ok
                }
            case .async:
                router.get("/") { _ in
                    started.send(()); try await never.wait(); return ok
                }
            }
        }) { client, registry in
            try await client.withConnection { connection in
                try await connection.send(.get, "/")
                try await started.wait()
                let families = try parse(registry)
                #expect(families["http_server_active_requests"]?.value("", ["http_request_method": "GET"]) == 1)
                #expect(families["tandem_server_connections_active"]?.value() == 1)
            }
            // A closed client may still read the response within the grace; stopping the server ends the request here.
        }
        #expect(families["tandem_server_requests_cut"]?.value("_total", ["reason": "cancelled"]) == 1)
    }

    @Test func `refused connections are counted`() async throws {
        let (started, goOn) = (Event<Void>(), Event<Void>())
        try await withCounting(
            { $0.maxConnections = 1 },
            routes: { router in
                router.get("/") { _ in
                    started.send(()); try await goOn.wait(); return ok
                }
            }
        ) { client, registry in
            async let busy = client.get("/").status
            try await started.wait()
            try await send("", with: client)
            #expect(try parse(registry)["tandem_server_connections_refused"]?.value("_total", ["reason": "limit"]) == 1)
            goOn.send(())
            #expect(try await busy == .ok)
        }
    }

    @Test func `a server without metrics counts nothing`() async throws {
        let registry = MetricsRegistry()
        var configuration = HTTPServerConfiguration()
        configuration.observing.recordsMetrics = false
        let router = Router()
        router.get("/") { _ async in ok }
        try await withMetricsFactory(registry) {
            try await withTestServer(router, .live, configuration: configuration) { client async throws in
                #expect(try await client.get("/").status == .ok)
            }
        }
        #expect(registry.snapshot().allSatisfy { $0.samples.isEmpty || !$0.description.name.contains("server") })
    }
}
