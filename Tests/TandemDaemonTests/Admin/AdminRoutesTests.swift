import CoreMetrics
import Foundation
import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The admin endpoints, served by one server on behalf of another.
@Suite(.serialized, .timeLimit(.minutes(1)))
final class AdminRoutesTests: Sendable {
    private let fixture = AdminFixture()
    private var isServing: ReadinessFlag { fixture.isServing }

    /// Runs a service with these routes and an admin server for it while `body` acts as the clients of both.
    private func withAdmin(
        routes: (Router) -> Void = { _ in }, _ body: (_ service: TestClient, _ admin: TestClient) async throws -> Void
    ) async throws {
        try await fixture.run(routes: routes, body)
    }

    @Test func `readiness follows the phase`() async throws {
        try await withAdmin { _, admin in
            func check(_ status: Int, _ text: String) async throws {
                let answer = try await admin.get("/readyz")
                #expect(answer.status.code == status && answer.text == text)
            }
            try await check(503, #"{"phase":"starting"}"#)
            isServing.set(true)
            try await check(200, #"{"phase":"serving"}"#)
            isServing.set(false)
            try await check(503, #"{"phase":"draining"}"#)
            #expect(try await admin.get("/healthz").status == .ok)
        }
    }

    @Test func `the calls across both bridges are listed by place in the code`() async throws {
        let line = #line + 3
        try await withAdmin { router in
            router.get("/legacy") { _ in
                Response(text: try awaiting { try await Self.text() })
            }
            router.get("/modern") { _ async throws in
                Response(text: try await blocking(name: "old price") { try awaiting { try await Self.text() } })
            }
        } _: { service, admin in
            #expect(try await admin.get("/debug/bridges").text == "no call has crossed a bridge\n")
            for path in ["/legacy", "/legacy", "/modern"] { #expect(try await service.get(path).status == .ok) }
            let text = try await admin.get("/debug/bridges").text
            #expect(
                text == """
                    2  to async     TandemDaemonTests/AdminRoutesTests.swift:\(line)  GET /legacy
                    1  to async     TandemDaemonTests/AdminRoutesTests.swift:\(line + 3)  old price
                    1  to blocking  TandemDaemonTests/AdminRoutesTests.swift:\(line + 3)  old price

                    """)
            let json = try await admin.get("/debug/bridges?format=json").text
            #expect(json.contains(#"{"direction":"to async","file":"TandemDaemonTests/AdminRoutesTests.swift","line":\#(line),"#))
            #expect(json.contains(#""greenThread":"GET /legacy","calls":2}"#) && json.hasSuffix(#""hubsWithoutAnswer":[]}"#))
            #expect(try await admin.get("/debug/bridges?format=xml").status == .badRequest)
        }
    }

    private static func text() async throws -> String {
        await Task.yield()
        return "ok"
    }

    @Test func `a service with a dead hub is not ready, and names the hub`() async throws {
        try await withAdmin { _, admin in
            isServing.set(true)
            fixture.dead.withLock { $0 = true }
            let answer = try await admin.get("/readyz")
            #expect(answer.status == .serviceUnavailable)
            #expect(answer.text.hasPrefix(#"{"phase":"serving","dead":["serving-0""#), "\(answer.text)")
            fixture.dead.withLock { $0 = false }
            #expect(try await admin.get("/readyz").status == .ok)
        }
    }

    @Test func `liveness fails while a hub is dead, and names it`() async throws {
        try await withAdmin { _, admin in
            #expect(try await admin.get("/livez").text == "ok")
            fixture.dead.withLock { $0 = true }
            let answer = try await admin.get("/livez")
            #expect(answer.status == .serviceUnavailable && answer.text.hasPrefix("dead: serving-0: "), "\(answer.text)")
            // /healthz only shows that the process responds.
            #expect(try await admin.get("/healthz").status == .ok)
            fixture.dead.withLock { $0 = false }
            #expect(try await admin.get("/livez").status == .ok)
        }
    }

    @Test(arguments: Style.allCases)
    func `a dump lists waiting code`(style: Style) async throws {
        let (started, goOn) = (Event<Void>(), Event<Void>())
        try await withAdmin(routes: { router in
            switch style {
            case .blocking:
                router.get("/slow") { _ in
                    started.send(()); try goOn.wait(); return ok
                }
            case .async:
                router.get("/slow") { _ in
                    started.send(()); try await goOn.wait(); return ok
                }
            }
        }) { service, admin in
            async let slow = service.get("/slow").status
            try await started.wait()
            let text = try await admin.get("/debug/hub").text
            #expect(text.hasPrefix("serving-0: "))
            #expect(text.contains("waits: Event.wait"))
            if style == .blocking { #expect(text.contains("\"GET /slow\" waits: Event.wait")) }
            let json = try await admin.get("/debug/hub?format=json")
            let object = try JSONSerialization.jsonObject(with: Data(json.body)) as? [String: [[String: Any]]]
            let hub = try #require(object?["hubs"]?.first)
            #expect(hub["hub"] as? String == "serving-0")
            #expect((hub["greenThreads"] as? [Any])?.count == (style == .blocking ? 1 : 0))
            #expect(try await admin.get("/debug/hub?format=xml").status == .badRequest)
            goOn.send(())
            #expect(try await slow == .ok)
        }
    }

    @Test func `the admin listener answers while code holds the serving hub`() async throws {
        let (started, mayEnd) = (Event<Void>(), DispatchSemaphore(value: 0))
        try await withAdmin(routes: { router in
            // A call that blocks the OS thread.
            router.get("/held") { _ in
                started.send(()); mayEnd.wait(); return ok
            }
        }) { service, admin in
            async let held = service.get("/held").status
            // Also after a failure: otherwise the server could not stop, and the test would not report the failure.
            defer { mayEnd.signal() }
            try await started.wait()
            #expect(try await admin.get("/healthz").status == .ok)
            let text = try await admin.get("/debug/hub").text
            #expect(text.hasPrefix("serving-0: does not answer: code holds it"))
            var pages: [[UInt8]] = []
            for _ in 0..<2 { pages.append(try await admin.get("/metrics").body) }
            mayEnd.signal()
            #expect(try await held == .ok)
            // The hub is queried again after it has answered.
            while try await !admin.get("/debug/hub").text.contains("green threads") {}
            for page in pages {
                let families = try parsePrometheus(page)
                #expect(families["tandem_hub_responding"]?.value("", ["hub": "serving-0"]) == 0)
                #expect(families["tandem_hub_turns"]?.samples.isEmpty ?? true)
            }
        }
    }

    @Test func `a route that has fallen back shows in the metrics and in the report on migration`() async throws {
        struct Broken: Error {}
        try await withAdmin(routes: { router in
            router.migrate(.get, "/users/{id}", from: { _ in ok }, to: { _ async throws in throw Broken() }, .new)
        }) { service, admin in
            for _ in 0..<200 { #expect(try await service.get("/users/7").status == .internalServerError) }
            #expect(try await service.get("/users/7").status == .ok)
            let families = try parsePrometheus(try await admin.get("/metrics").body)
            let route = ["http_route": "/users/{id}", "http_request_method": "GET"]
            #expect(families["tandem_migration_rollbacks"]?.value("_total", route) == 1)
            #expect(families["tandem_migration_share_ratio"]?.value("", route) == 0)
            let fallback = route.merging(["handler": "old", "style": "blocking", "chosen_by": "guard"]) { $1 }
            #expect(families["tandem_migration_requests"]?.value("_total", fallback) == 1)
            let answer = try await admin.get("/debug/migration")
            #expect(answer.headers[.cacheControl] == "no-store")
            let text = answer.text
            #expect(text.contains(#""mode":"new","oldStyle":"blocking","newStyle":"async""#), "\(text)")
            #expect(
                text.contains(#""rolledBack":true,"rollbacks":1,"requests":{"old":{"guard":1},"new":{"share":200}}"#), "\(text)")
        }
    }

    @Test func `a service without migrating routes has no metrics of them`() async throws {
        try await withAdmin { _, admin in
            let metrics = try await admin.get("/metrics").text
            #expect(!metrics.contains("tandem_migration"))
            #expect(
                try await admin.get("/debug/migration").text
                    == #"{"enabled":true,"inFlight":0,"hubsWithoutAnswer":0,"routes":[]}"#)
        }
    }

    @Test func `the metrics cover each hub`() async throws {
        try await withAdmin(routes: { $0.get("/") { _ in ok } }) { service, admin in
            for _ in 0..<3 { #expect(try await service.get("/").status == .ok) }
            let answer = try await admin.get("/metrics")
            #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
            let families = try parsePrometheus(answer.body)
            let hub = ["hub": "serving-0"]
            #expect(families["tandem_hub_responding"]?.value("", hub) == 1)
            #expect(families["tandem_hub_bridges"]?.value("_total", ["to": "blocking"]) == 3)
            #expect(try #require(families["tandem_hub_turns"]?.value("_total", hub)) > 0)
            #expect(try #require(families["tandem_hub_stacks_mapped"]?.value("", hub)) >= 1)
            let delays = try #require(families["tandem_hub_loop_delay_seconds"])
            #expect(delays.type == "histogram" && delays.value("_bucket", ["le": "+Inf"]) == delays.value("_count"))
            // The requests of the admin server are not counted.
            let count = families["http_server_request_duration_seconds"]?.samples.filter { $0.name.hasSuffix("_count") }
            #expect(count?.compactMap { Double($0.value) } == [3])
        }
    }
}
