import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct RouteGroupTests {
        /// Adds middleware that appends its name to a field of the answer, so the innermost is first.
        private static func mark(_ group: RouteGroup, _ style: Style, _ name: String) {
            switch style {
            case .blocking: group.use { request, next in marked(try next(request), name) }
            case .async: group.use { request, next in marked(try await next(request), name) }
            }
        }

        private static func marked(_ response: Response, _ name: String) -> Response {
            var response = response
            response.headers[.xMarks] = (response.headers[.xMarks] ?? "") + name
            return response
        }

        private static func matched(_ request: Request) -> Response {
            Response(text: ["customer", "id", "item"].map { request.parameters[$0] ?? "nothing" }.joined(separator: ", "))
        }

        @Test
        func `a group's prefix precedes the paths of its routes and groups, and an empty path is the prefix`() {
            let router = Router()
            router.group("/orders") { orders in
                orders.get("") { _ in Response() }
                orders.get("/") { _ in Response() }
                orders.post("/{id}") { _ async in Response() }
                orders.group("/{id}/items") { items in
                    items.put("/{item}") { _ in Response() }
                    items.delete("/{rest...}") { _ async in Response() }
                }
            }
            let users = router.group("/users/{user}")
            users.patch("/name") { _ in Response() }
            users.group("").on(.head, "") { _ in Response() }
            router.get("/") { _ in Response() }
            #expect(
                router.routes.map(\.description) == [
                    "GET /orders (blocking)", "GET /orders/ (blocking)", "POST /orders/{id} (async)",
                    "PUT /orders/{id}/items/{item} (blocking)", "DELETE /orders/{id}/items/{rest...} (async)",
                    "PATCH /users/{user}/name (blocking)", "HEAD /users/{user} (blocking)", "GET / (blocking)",
                ])
        }

        @Test(arguments: Style.allCases)
        func `named segments of a prefix are parameters of its routes`(style: Style) async throws {
            try await withServer(routes: { router in
                router.group("/orders/{customer}") { orders in
                    orders.group("/{id}") { order in
                        switch style {
                        case .blocking:
                            order.get("/items/{item}") { request in
                                try sleep(for: .zero)
                                return Self.matched(request)
                            }
                        case .async:
                            order.get("/items/{item}") { request in
                                try await sleep(for: .zero)
                                return Self.matched(request)
                            }
                        }
                    }
                }
            }) { live in
                let (matched, missing) = (try live.get("/orders/ada/7/items/x%20y"), try live.get("/orders/ada/7/items"))
                #expect(matched.text == "ada, 7, x y")
                #expect(missing.status == 404)
            }
        }

        @Test(arguments: Style.allCases, Style.allCases)
        func `middleware runs from the router inwards, for routes added before and after it, in any mix of styles`(
            outer: Style, inner: Style
        ) async throws {
            try await withServer(routes: { router in
                router.plain("/", inner)
                let api = router.group("/api")
                api.plain("/before", inner)
                let orders = api.group("/orders")
                orders.plain("/before", outer)
                Self.mark(orders, inner, "o")
                Self.mark(orders, outer, "p")
                Self.mark(api, outer, "a")
                Self.mark(router, outer, "r")
                orders.plain("/after", outer)
                api.plain("/after", inner)
                router.plain("/after", inner)
            }) { live in
                for (path, marks) in [
                    ("/", "r"), ("/after", "r"), ("/api/before", "ar"), ("/api/after", "ar"), ("/api/orders/before", "poar"),
                    ("/api/orders/after", "poar"),
                ] {
                    let answer = try live.get(path)
                    #expect(answer[.marks] == marks, "\(path)")
                }
            }
        }

        @Test
        func `groups with the same prefix have separate middleware, and a group without a prefix adds only middleware`()
            async throws
        {
            try await withServer(routes: { router in
                for name in ["a", "b"] {
                    let group = router.group("/same")
                    group.plain("/\(name)")
                    Self.mark(group, .async, name)
                }
                let nameless = router.group("")
                nameless.plain("/same/c")
                Self.mark(nameless, .blocking, "c")
            }) { live in
                for name in ["a", "b", "c"] {
                    let answer = try live.get("/same/\(name)")
                    #expect(answer[.marks] == name)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `the server's own answers pass only through the router's middleware`(style: Style) async throws {
            try await withServer(routes: { router in
                Self.mark(router, style, "r")
                router.use { request, next in
                    do { return try await next(request) } catch let error as HTTPError {
                        return Response(status: error.status, text: error.message)
                    }
                }
                router.group("/api") { api in
                    Self.mark(api, style, "a")
                    api.plain("/x", style)
                }
            }) { live in
                let client = try live.connect()
                for (line, status, marks) in [
                    ("GET /api/x", 200, "ar"), ("HEAD /api/x", 200, "ar"), ("GET /api/y", 404, "r"), ("GET /api", 404, "r"),
                    ("POST /api/x", 405, "r"), ("OPTIONS /api/x", 204, "r"),
                ] {
                    try client.send("\(line) HTTP/1.1\r\nHost: a\r\n\r\n")
                    let answer = try client.receiveResponse(to: line.hasPrefix("HEAD") ? .head : .get)
                    #expect(answer.status.code == status, "\(line)")
                    #expect(answer[.marks] == marks, "\(line)")
                }
            }
        }

        @Test
        func `an error thrown while a group is filled reaches the caller`() {
            let router = Router()
            #expect(throws: HTTPError.self) { try router.group("/a") { _ in throw HTTPError(.gone, "") } }
        }
    }

    struct RouteGroupMistakeTests {
        private func expect(_ message: String, _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation) {
            let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(said.contains(message), sourceLocation: sourceLocation)
        }

        @Test
        func `a malformed prefix ends the process`() async {
            expect(
                #"group prefix "orders" must begin with "/""#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Router().group("orders") })
            expect(
                #"group prefix "more" must begin with "/""#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    _ = Router().group("/orders").group("more")
                })
            expect(
                #"group prefix "/orders/" must not end with "/""#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Router().group("/orders/") })
            expect(
                #"group prefix "/" must not end with "/""#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Router().group("/") })
            expect(
                #"group prefix "/a/{rest...}": only a route may have a "{name...}" segment"#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    _ = Router().group("/a/{rest...}")
                })
            expect(
                #"group prefix "/{id}/a/{id}" has {id} twice"#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    _ = Router().group("/{id}").group("/a/{id}")
                })
        }

        @Test
        func `a route that is malformed or duplicate with its group's prefix ends the process`() async {
            expect(
                #"route path "x" must begin with "/""#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    Router().group("/a").get("x") { _ in Response() }
                })
            expect(
                #"route path "/{id}/{id}" has {id} twice"#,
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    Router().group("/{id}").get("/{id}") { _ in Response() }
                })
            expect(
                "there is a route for GET /a/b already",
                await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    let router = Router()
                    router.get("/a/b") { _ in Response() }
                    router.group("/a").get("/b") { _ async in Response() }
                })
            // A group without a prefix has no path of its own.
            await #expect(processExitsWith: .failure) { Router().group("").get("") { _ in Response() } }
        }
    }
}

extension HTTPField.Name {
    fileprivate static let xMarks = HTTPField.Name("X-Marks")!
}
