import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    /// Which handler answers.
    struct MigrationTests {
        @Test(arguments: StylePair.allCases)
        func `each mode sends requests to its handler, and the access log has that handler's style`(styles: StylePair)
            async throws
        {
            try await withServer(routes: { router in
                router.migrate("/old", styles: styles, .old)
                router.migrate("/new", styles: styles, .new)
                router.migrate("/shadow", styles: styles, .shadow(sample: 0))
                router.migrate("/none", styles: styles, .percent(0))
                router.migrate("/all", styles: styles, .percent(100, by: .cookie("nobody-has-it")))
            }) { live in
                let expected = [
                    ("/old", "old"), ("/new", "new"), ("/shadow", "old"), ("/none", "old"), ("/all", "new"),
                ]
                for (index, (path, text)) in expected.enumerated() {
                    #expect(try live.texts(path) == [text])
                    let logged = try #require(live.logged(index + 1).last { $0.route == path })
                    #expect(logged.style == (text == "old" ? styles.old : styles.new).logged)
                    #expect(logged.target == path)
                }
                #expect(live.logged(expected.count).count == expected.count)
            }
        }

        @Test
        func `closures decide their own style`() {
            let router = Router()
            let wait: @Sendable () async -> Void = {}
            router.migrate(
                .get, "/ba", from: { _ in Response(text: "a") },
                to: { _ in
                    await wait(); return Response(text: "b")
                })
            router.migrate(
                .get, "/ab",
                from: { _ in
                    await wait(); return Response(text: "a")
                }, to: { _ in Response(text: "b") })
            router.migrate(.get, "/bb", from: { _ in Response(text: "a") }, to: { _ in Response(text: "b") }, .new)
            router.migrate(.get, "/aa", from: { _ async in Response(text: "a") }, to: { _ async in Response(text: "b") }, .new)
            #expect(router.routes.map { $0.migration?.old } == [.blocking, .async, .blocking, .async])
            #expect(router.routes.map { $0.migration?.new } == [.async, .blocking, .blocking, .async])
            #expect(router.routes.map(\.style) == [.blocking, .async, .blocking, .async])
            #expect(router.routes.map { $0.migration?.mode } == [.old, .old, .new, .new])
        }

        @Test
        func `a reload moves requests from old to new and back, and the share only adds keys`() async throws {
            try await withServer(routes: { $0.migrate("/", .percent(0, by: .header(.init("X-Tenant")!))) }) { live in
                let tenants = (0..<200).map { "tenant-\($0)" }
                let client = try live.connect()
                func moved() throws -> Set<String> {
                    Set(
                        try tenants.filter { tenant in
                            try client.send(.get, "/", headers: [.init("X-Tenant")!: tenant])
                            let response = try client.receiveResponse()
                            #expect(response.status == .ok)
                            return response.text == "new"
                        })
                }
                var before: Set<String> = []
                for share in [0.0, 5, 12.5, 50, 99, 100] {
                    let item = try #require(RouteMigration("GET / percent \(share) by=header:X-Tenant"))
                    try live.migrate { $0.routes = [item] }
                    let now = try moved()
                    #expect(before.isSubset(of: now))
                    #expect(abs(Double(now.count) - share * 2) < 25, "\(share) % moved \(now.count) of 200")
                    // A stable choice.
                    #expect(try moved() == now)
                    before = now
                }
                #expect(before.count == 200)
                try live.migrate { $0.routes = [RouteMigration(.get, "/", .percent(99, by: .header(.init("X-Tenant")!)))] }
                #expect(try live.texts("/", 3) == ["old", "old", "old"], "without the key")
                try live.migrate { $0.routes = [RouteMigration(.get, "/", .old)] }
                #expect(try moved().isEmpty)
                let report = try live.migration()
                #expect(report.requests[.new]?[.share] ?? 0 > 400)
                #expect(report.migration == .old)
            }
        }

        @Test
        func `requests under load see every mode between 0 and 100 percent without a failure`() async throws {
            try await withServer(routes: { $0.migrate("/", .percent(0)) }) { live in
                let (stop, failed, answered) = (Event<Void>(), Count(), Count())
                let clients = (0..<4).map { _ in
                    inBackground {
                        let client = try live.connect()
                        while stop.outcome == nil {
                            try client.send(.get, "/")
                            let response = try client.receiveResponse()
                            if response.status != .ok || !["old", "new"].contains(response.text) { failed.add() }
                            answered.add()
                        }
                    }
                }
                for share in [0.0, 5, 50, 100, 50, 0] {
                    let before = answered.value
                    try live.migrate { $0.routes = [RouteMigration(.get, "/", .percent(share))] }
                    #expect(eventually { answered.value > before + 50 })
                }
                stop.send(())
                for client in clients { try client.wait() }
                #expect(failed.value == 0)
                let requests = try live.migration().requests
                #expect(requests[.old]?[.share] ?? 0 > 50)
                #expect(requests[.new]?[.share] ?? 0 > 50)
            }
        }

        @Test
        func `the kill switch sends each request to the old handler`() async throws {
            let runs = Count()
            try await withServer(routes: { router in
                router.migrate("/new", .new)
                router.migrate(
                    "/shadow",
                    new: { _ in
                        runs.add(); return Response(text: "new")
                    }, .shadow(sample: 100))
            }) { live in
                #expect(try live.texts("/new") == ["new"])
                try live.migrate {
                    $0.isEnabled = false
                    $0.overrideField = .init("Tandem-Migrate")
                }
                #expect(try live.texts("/new", headers: [.init("Tandem-Migrate")!: "new"]) == ["old"])
                #expect(try live.texts("/shadow", 10) == Array(repeating: "old", count: 10))
                #expect(try live.migration("/new").requests[.old] == [.off: 1])
                #expect(try live.migration("/shadow").skipped.isEmpty)
                #expect(runs.value == 0)
                try live.migrate { $0.isEnabled = true }
                #expect(try live.texts("/new") == ["new"])
            }
        }

        @Test
        func `the kill switch cancels shadows that run`() async throws {
            let (begun, never) = (Event<Void>(), Event<Void>())
            try await withServer(routes: { router in
                router.migrate(
                    .get, "/", from: { _ in Response(text: "old") },
                    to: { _ in
                        begun.send(())
                        try await never.wait()
                        return Response(text: "new")
                    }, .shadow(sample: 100, control: 0))
            }) { live in
                #expect(try live.texts("/") == ["old"])
                try begun.wait()
                try live.migrate { $0.isEnabled = false }
                #expect(try live.shadowsEnded())
                #expect(try live.migration().skipped == [.cancelled: 1])
            }
        }

        @Test
        func `the override field selects the handler of one request if it is configured`() async throws {
            let field = HTTPField.Name("Tandem-Migrate")!
            try await withServer(routes: { router in
                router.migrate("/old", .old)
                router.migrate("/new", .new)
            }) { live in
                #expect(try live.texts("/old", headers: [field: "new"]) == ["old"])
                try live.migrate { $0.overrideField = field }
                #expect(try live.texts("/old", headers: [field: "new"]) == ["new"])
                #expect(try live.texts("/new", headers: [field: "old"]) == ["old"])
                #expect(try live.texts("/new", headers: [field: "other"]) == ["new"])
                #expect(try live.migration("/old").requests[.new] == [.override: 1])
            }
        }

        @Test
        func `to middleware a migrating route is one handler`() async throws {
            let (outer, inner) = (Count(), Count())
            try await withServer(routes: { router in
                router.use { request, next in
                    outer.add()
                    return try next(request)
                }
                router.group("/api") { api in
                    api.use { request, next in
                        inner.add()
                        var response = try await next(request)
                        response.headers[.server] = "inner"
                        return response
                    }
                    api.migrate("/x", .shadow(sample: 100, control: 0))
                }
            }) { live in
                let client = try live.connect()
                for _ in 0..<5 {
                    try client.send(.get, "/api/x")
                    let response = try client.receiveResponse()
                    #expect(response.text == "old")
                    #expect(response.headers[.server] == "inner")
                }
                #expect(try live.shadowsEnded())
                #expect(outer.value == 5)
                #expect(inner.value == 5)
            }
        }

        @Test
        func `a configuration that does not fit the routes is refused`() async throws {
            try await withServer(routes: { router in
                router.migrate("/safe", .old)
                router.migrate("/unsafe", method: .post, .percent(5))
                router.migrate("/released", method: .post, .old, unsafe: UnsafeShadow(because: "it only reads"))
                router.plain("/plain")
            }) { live in
                func code(_ item: String) throws -> MigrationError.Code? {
                    do {
                        let item = try #require(RouteMigration(item))
                        try live.migrate { $0.routes = [item] }
                        return nil
                    } catch let error as MigrationError { return error.code }
                }
                let unknown = try code("GET /nowhere new")
                #expect(unknown == .unknownRoute)
                #expect(try code("POST /safe new") == .unknownRoute)
                #expect(try code("GET /plain new") == .notMigrating)
                #expect(try code("POST /unsafe shadow 1") == .unsafeMethod)
                #expect(try code("POST /unsafe new verify=1") == .unsafeMethod)
                #expect(live.server.configuration.migrations.routes.isEmpty)
                #expect(try code("POST /unsafe shadow 0") == nil)
                #expect(try code("POST /unsafe new") == nil)
                #expect(try code("POST /released shadow 5") == nil)
                #expect(try code("GET /safe shadow 5") == nil)
            }
        }

        @Test
        func `a server does not start with a configuration that does not fit its routes`() async throws {
            let router = Router()
            router.plain()
            var configuration = HTTPServerConfiguration()
            configuration.port = 0
            configuration.migrations.routes = [RouteMigration(.get, "/", .new)]
            let server = HTTPServer(router: router, configuration: configuration)
            await #expect(throws: MigrationError.self) { try await server.run() }
        }

        @Test
        func `a mode that shadows an unsafe method needs a permission`() async {
            await #expect(processExitsWith: .failure) {
                Router().migrate(.post, "/", from: { _ in Response() }, to: { _ in Response() }, .shadow)
            }
            await #expect(processExitsWith: .success) {
                Router().migrate(
                    .post, "/", from: { _ in Response() }, to: { _ in Response() }, .shadow, unsafe: .init(because: "reads"))
            }
        }
    }
}
