import Foundation
import HTTPTypes
import Synchronization
import Tandem
import TandemHTTP
import TandemJSON
import TandemTesting
import Testing

@testable import TandemDaemon

/// The data of the dashboard, read by clients of an admin server.
@Suite(.serialized, .timeLimit(.minutes(1)))
final class DashboardTests: Sendable {
    private let fixture = AdminFixture()

    private func read<Value: Decodable>(_ admin: TestClient, _ path: String) async throws -> Value {
        let answer = try await admin.get(path)
        #expect(answer.status == .ok && answer.headers[.cacheControl] == "no-store", "\(answer.text)")
        #expect(answer.headers[.contentType] == "application/json")
        return try decodeJSON(answer.body, as: Value.self)
    }

    private func addRoutes(_ router: Router) {
        router.get("/async/{id}") { _ async in ok }
        router.get("/blocking") { _ in
            Response(
                text: try awaiting {
                    await Task.yield(); return "ok"
                })
        }
        router.get("/fails") { _ async throws in throw HTTPError(.badGateway, "no") }
    }

    @Test func `the state counts what the metrics count`() async throws {
        try await fixture.run(routes: addRoutes) { service, admin in
            fixture.isServing.set(true)
            for _ in 0..<3 { #expect(try await service.get("/async/7").status == .ok) }
            #expect(try await service.get("/blocking").status == .ok)
            #expect(try await service.get("/fails").status == .badGateway)
            #expect(try await service.get("/nowhere").status == .notFound)
            let state: DashboardState = try await read(admin, "/debug/state")
            #expect(state.service == "shop" && state.version == "1.2.3" && state.phase == "serving" && state.isReady)
            #expect(state.pid == Int(getpid()))
            #expect(state.requests.total == 6 && state.requests.serverErrors == 1 && state.requests.clientErrors == 1)
            #expect(state.requests.async == 4 && state.requests.blocking == 1 && state.requests.active == 0)
            #expect(state.connections.active == 1 && state.connections.accepted == 1)
            #expect(state.attention.isEmpty)
            let hub = try #require(state.hubs.first)
            #expect(state.hubs.count == 1 && hub.hub == "serving-0" && hub.answers && hub.thread > 0)
            let families = try parsePrometheus(try await admin.get("/metrics").body)
            let labels = ["hub": "serving-0"]
            #expect(
                hub.greenThreadsHighWater.map(Double.init) == families["tandem_hub_green_threads_high_water"]?.value("", labels))
            #expect(hub.bridgesToAsync == 1 && hub.bridgesToBlocking == 1)
            #expect(try #require(hub.delays).reduce(0, +) > 0 && hub.heldMicroseconds == nil)
            #expect(try #require(hub.busyMicroseconds) > 0)
            let later: DashboardState = try await read(admin, "/debug/state")
            #expect(later.instance == state.instance && later.uptimeMicroseconds > state.uptimeMicroseconds)
        }
    }

    @Test func `routes have their style, their counts and the durations of the last minute`() async throws {
        try await fixture.run(routes: { router in
            addRoutes(router)
            router.migrate(.get, "/users/{id}", from: { _ in ok }, to: { _ async in ok }, .percent(12.5))
        }) { service, admin in
            // The durations are recorded from the first look on.
            #expect(try await service.get("/async/1").status == .ok)
            let before: RoutesState = try await read(admin, "/debug/routes")
            #expect(before.routes.first?.recent == 0 && before.routes.first?.p50Microseconds == nil)
            for _ in 0..<9 { #expect(try await service.get("/async/7").status == .ok) }
            #expect(try await service.execute(.head, "/async/7").status == .ok)
            #expect(try await service.get("/blocking").status == .ok)
            #expect(try await service.get("/fails").status == .badGateway)
            #expect(try await service.get("/nowhere").status == .notFound)
            let state: RoutesState = try await read(admin, "/debug/routes")
            let routes = Dictionary(uniqueKeysWithValues: state.routes.map { ("\($0.method) \($0.path)", $0) })
            let async = try #require(routes["GET /async/{id}"])
            #expect(async.style == "async" && async.requests == 11 && async.recent == 10, "\(async)")
            let (p50, p99) = (try #require(async.p50Microseconds), try #require(async.p99Microseconds))
            #expect(p50 > 0 && p50 <= p99 && p99 <= async.maximumMicroseconds! * 102 / 100)
            let blocking = try #require(routes["GET /blocking"])
            #expect(blocking.style == "blocking" && blocking.bridgesToAsync == 1)
            #expect(routes["GET /fails"]?.serverErrors == 1)
            #expect(routes["GET /users/{id}"]?.migration == "percent 12.5 by=request")
            #expect(routes["GET "]?.clientErrors == 1 && routes["GET "]?.style == "")
        }
    }

    @Test func `waiting green threads are grouped, filtered and paged, and one shows its stack`() async throws {
        let started = Atomic<Int>(0)
        let goOn = Event<Void>()
        try await fixture.run(routes: { router in
            router.get("/slow/{id}") { _ in
                started.add(1, ordering: .relaxed)
                try goOn.wait()
                return ok
            }
        }) { service, admin in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<5 {
                    group.addTask { () async throws in
                        let status = try await service.get("/slow/1").status
                        #expect(status == .ok)
                    }
                }
                try await until { started.load(ordering: .relaxed) == 5 }
                // A census is used for a while.
                var state: WaitingState
                repeat { state = try await read(admin, "/debug/threads?what=event.WAIT&name=SLOW") } while state.groups.isEmpty
                #expect(state.greenThreads == 5 && state.silentHubs.isEmpty && state.next == nil && state.groupCount == 1)
                let found = try #require(state.groups.first)
                #expect(
                    found.name == "GET /slow/{id}" && found.what == "Event.wait" && found.style == "blocking" && found.count == 5)
                let none: WaitingState = try await read(admin, "/debug/threads?name=nothing")
                #expect(none.groups.isEmpty && none.greenThreads == 5)
                let all: WaitingState = try await read(admin, "/debug/threads?sort=oldest")
                #expect(all.groupCount > 1)
                let page: WaitingState = try await read(admin, "/debug/threads?sort=oldest&limit=1&after=1")
                #expect(page.groups.count == 1 && page.groups[0].name == all.groups[1].name && page.groupCount == all.groupCount)
                let group = "hub=serving-0&style=blocking&what=Event.wait&name=GET%20/slow/%7Bid%7D"
                let rows: WaitingRows = try await read(admin, "/debug/threads/rows?\(group)&limit=3")
                #expect(rows.rows.count == 3 && rows.next == 3)
                let rest: WaitingRows = try await read(admin, "/debug/threads/rows?\(group)&limit=3&after=3")
                #expect(rest.rows.count == 2 && rest.next == nil)
                let number = try #require(rows.rows[0].thread)
                let stack: WaitingStack = try await read(admin, "/debug/threads/stack?hub=serving-0&thread=\(number)")
                #expect(stack.name == "GET /slow/{id}" && stack.state.hasPrefix("waits: Event.wait, for"))
                #expect(stack.stack.contains { $0.contains("Event.wait") }, "\(stack.stack)")
                goOn.send(())
            }
            #expect(try await admin.get("/debug/threads/stack?hub=serving-0&thread=999999").status == .notFound)
            #expect(try await admin.get("/debug/threads/rows?hub=nowhere&style=async&what=a&name=b").status == .notFound)
        }
    }

    @Test(arguments: [
        ("/debug/threads?limit=0", "limit: expected a number from 1 to 200, found \"0\""),
        ("/debug/threads?limit=201", "limit: expected a number from 1 to 200, found \"201\""),
        ("/debug/threads?after=-1", "after: expected a number from 0 to 10000000, found \"-1\""),
        ("/debug/threads?sort=name", "sort: expected count or oldest, found \"name\""),
        ("/debug/threads/rows?hub=serving-0&what=a&name=b", "style: expected blocking or async, found \"\""),
        ("/debug/threads/rows?hub=serving-0&style=async", "what: expected that of a group of /debug/threads, found none"),
        ("/debug/threads/stack?hub=serving-0&thread=x", "thread: expected the number of a green thread, found \"x\""),
        (
            "/debug/events?topics=state,all",
            "topics: expected some of state, routes, timeline, waiting, migration, bridges, separated by commas, found \"all\""
        ),
        ("/debug/events?every=3", "every: expected one of 1, 2, 5, 15, 30, found \"3\""),
    ])
    func `a bad parameter is refused with what was expected`(path: String, message: String) async throws {
        try await fixture.run { _, admin in
            let answer = try await admin.get(path)
            #expect(answer.status == .badRequest && answer.text == message + "\n")
        }
    }

    @Test func `a held hub and the code that holds it want attention`() async throws {
        let (started, mayEnd) = (Event<Void>(), DispatchSemaphore(value: 0))
        try await fixture.run(
            stallThreshold: .milliseconds(50),
            routes: { router in
                // A call that blocks the OS thread.
                router.get("/held") { _ in
                    started.send(()); mayEnd.wait(); return ok
                }
            }
        ) { service, admin in
            fixture.isServing.set(true)
            async let held = service.get("/held").status
            defer { mayEnd.signal() }
            try await started.wait()
            var state: DashboardState
            repeat { state = try await read(admin, "/debug/state") } while state.attention.isEmpty
            let item = try #require(state.attention.first)
            #expect(item.severity == .critical && item.key == #"stall serving-0 green thread "GET /held""#)
            #expect(item.title == #"serving-0 is held by green thread "GET /held""# && item.count == 1)
            #expect(item.stack?.contains { $0.contains("DashboardTests") || $0.contains("semaphore") } == true, "\(item)")
            let hub = try #require(state.hubs.first)
            #expect(!hub.answers && hub.turns == nil && hub.holder == #"green thread "GET /held""#)
            #expect(try #require(hub.heldMicroseconds) >= 50_000)
            let waiting: WaitingState = try await read(admin, "/debug/threads")
            #expect(waiting.silentHubs == ["serving-0"])
            mayEnd.signal()
            #expect(try await held == .ok)
            repeat { state = try await read(admin, "/debug/state") } while state.attention.first?.severity == .critical
            #expect(state.attention.first?.severity == .warning && state.hubs[0].answers)
            #expect(state.attention.first?.title == #"serving-0 was held by green thread "GET /held""#)
        }
    }

    @Test func `a handler that crosses a bridge in a loop and a migrating route that differs are named`() async throws {
        try await fixture.run(routes: { router in
            router.get("/loop") { _ in
                for _ in 0..<60 { try awaiting { await Task.yield() } }
                return ok
            }
            router.migrate(
                .get, "/moved", from: { _ in Response(text: "old") }, to: { _ async in Response(text: "new") },
                .shadow(sample: 1, control: 0))
        }) { service, admin in
            fixture.isServing.set(true)
            for _ in 0..<12 { #expect(try await service.get("/loop").status == .ok) }
            var state: DashboardState
            repeat {
                for _ in 0..<50 { #expect(try await service.get("/moved").status == .ok) }
                state = try await read(admin, "/debug/state")
            } while state.attention.count < 2
            #expect(state.attention.map(\.severity) == [.warning, .notice])
            #expect(state.attention[0].key == "differs GET /moved")
            let loop = state.attention[1]
            #expect(loop.title.hasPrefix("GET /loop calls async code in a loop at TandemDaemonTests/DashboardTests.swift:"))
            #expect(loop.detail == "60 times per request")
        }
    }

    @Test func `a service that is not ready says so`() async throws {
        try await fixture.run { _, admin in
            let state: DashboardState = try await read(admin, "/debug/state")
            #expect(!state.isReady && state.attention.map(\.key) == ["phase"])
        }
    }

    @Test func `the page is served with a policy that allows its own style and script only`() async throws {
        try await fixture.run { _, admin in
            let answer = try await admin.get("/debug/ui")
            #expect(answer.status == .ok && answer.headers[.contentType] == "text/html; charset=utf-8")
            let policy = try #require(answer.headers[.contentSecurityPolicy])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'sha256-"))
            #expect(!policy.contains("unsafe") && !policy.contains("http"))
            let page = answer.text
            #expect(page.utf8.count <= 60 << 10, "\(page.utf8.count)")
            for tag in ["style", "script"] {
                let text = try #require(page.components(separatedBy: "<\(tag)>").last?.components(separatedBy: "</\(tag)>").first)
                let hash = Data(sha256([UInt8](text.utf8))).base64EncodedString()
                #expect(policy.contains("\(tag)-src 'sha256-\(hash)'"))
                #expect(page.components(separatedBy: "<\(tag)").count == 2)
            }
            for foreign in ["http://", "https://", " style=", " onclick=", " onload=", "innerHTML", "eval("] {
                #expect(!page.contains(foreign), "\(foreign)")
            }
        }
    }

    @Test func `a browser that asks for the root is led to the page`() async throws {
        try await fixture.run { _, admin in
            let answer = try await admin.get("/", headers: [.accept: "text/html,application/xhtml+xml"])
            #expect(answer.status == .found && answer.headers[.location] == "/debug/ui")
            #expect(try await admin.get("/").text.contains("/debug/ui"))
        }
    }

    @Test func `nothing but reading is possible`() async throws {
        try await fixture.run { _, admin in
            for path in ["/debug/ui", "/debug/state", "/debug/events", "/debug/threads", "/metrics"] {
                for method in [HTTPRequest.Method.post, .put, .delete, .patch] {
                    let status = try await admin.execute(method, path).status
                    #expect(status == .methodNotAllowed, "\(method) \(path)")
                }
            }
        }
    }
}
