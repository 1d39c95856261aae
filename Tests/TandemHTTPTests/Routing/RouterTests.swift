import Glibc
import HTTPWire
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct RouterTests {
        /// Checks which route answers each path, and what its segments match; nil stands for 404. Asks a router in process, and a
        /// server.
        static func expect(
            _ routes: [String], _ style: Style, _ expected: [(path: String, answer: String?)],
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let add = { (router: Router) in
                for route in routes {
                    router.on(.get, route, style) { request in
                        let values = ["id", "name", "rest"].compactMap { name in request.parameters[name].map { "\(name)=\($0)" }
                        }
                        return Response(text: ([route] + values).joined(separator: " "))
                    }
                }
            }
            let router = Router()
            add(router)
            for (path, expected) in expected {
                let response = try await router.respond(to: Request(path: path))
                #expect(response.status == (expected == nil ? 404 : 200), "\(path)", sourceLocation: sourceLocation)
                let body = try await response.collectBody()
                if let expected { #expect(body == Array(expected.utf8), "\(path)", sourceLocation: sourceLocation) }
            }
            try await withServer(routes: add) { live in
                for (path, expected) in expected {
                    let answer = try live.client.get(path)
                    #expect(answer.status == (expected == nil ? 404 : 200), "\(path)", sourceLocation: sourceLocation)
                    if let expected { #expect(answer.text == expected, "\(path)", sourceLocation: sourceLocation) }
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a literal segment wins over a named one, and a named one over the rest`(style: Style) async throws {
            try await Self.expect(
                ["/users/{rest...}", "/users/{id}", "/users/me", "/users/{id}/files", "/users/me/{name}"], style,
                [
                    ("/users/me", "/users/me"),
                    ("/users/7", "/users/{id} id=7"),
                    ("/users/7/files", "/users/{id}/files id=7"),
                    ("/users/me/files", "/users/me/{name} name=files"),
                    ("/users/7/other", "/users/{rest...} rest=7/other"),
                    ("/users/me/a/b", "/users/{rest...} rest=me/a/b"),
                    ("/users", nil),
                    ("/user", nil),
                ])
        }

        @Test(arguments: Style.allCases)
        func `a path answers the methods of all routes that match it`(style: Style) async throws {
            let routes: [(HTTPRequest.Method, String)] = [
                (.get, "/users/me"), (.delete, "/users/{id}"), (.put, "/{rest...}"), (.get, "/users/{id}"), (.head, "/{rest...}"),
                (.post, "/a/{id}/b"), (.patch, "/{name}/c/b"),
            ]
            try await withServer(routes: { router in
                for (method, path) in routes {
                    router.on(method, path, style) { request in
                        let values = ["id", "name", "rest"].compactMap { name in request.parameters[name].map { "\(name)=\($0)" }
                        }
                        return Response(text: (["\(method.rawValue) \(path)"] + values).joined(separator: " "))
                    }
                }
            }) { live in
                let client = try live.connect()
                for (line, status, text, allow) in [
                    ("GET /users/me", 200, "GET /users/me", nil),
                    ("DELETE /users/me", 200, "DELETE /users/{id} id=me", nil),
                    ("PUT /users/me", 200, "PUT /{rest...} rest=users/me", nil),
                    ("POST /users/me", 405, "POST is not allowed here\n", "GET, HEAD, DELETE, PUT, OPTIONS"),
                    ("PATCH /a/c/b", 200, "PATCH /{name}/c/b name=a", nil),
                    ("POST /a/c/b", 200, "POST /a/{id}/b id=c", nil),
                    ("PUT /a/c/b", 200, "PUT /{rest...} rest=a/c/b", nil),
                    ("GET /a/c/b", 405, "GET is not allowed here\n", "POST, PATCH, PUT, HEAD, OPTIONS"),
                    ("OPTIONS /a/c/b", 204, "", "POST, PATCH, PUT, HEAD, OPTIONS"),
                    ("OPTIONS *", 204, "", "GET, DELETE, PUT, HEAD, POST, PATCH, OPTIONS"),
                ] as [(String, Int, String, String?)] {
                    try client.send("\(line) HTTP/1.1\r\nHost: a\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer.status.code == status, "\(line)")
                    #expect(answer.text == text, "\(line)")
                    #expect(answer[.allow] == allow, "\(line)")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `segments are percent-decoded one by one`(style: Style) async throws {
            try await Self.expect(
                ["/a/{id}", "/café", "/b/{rest...}", "/plus+minus"], style,
                [
                    ("/a/x%20y", "/a/{id} id=x y"),
                    ("/a/x%2Fy", "/a/{id} id=x/y"),
                    ("/%61/1", "/a/{id} id=1"),
                    ("/caf%C3%A9", "/café"),
                    ("/caf%c3%a9", "/café"),
                    ("/b/x%20y/z", "/b/{rest...} rest=x y/z"),
                    ("/plus+minus", "/plus+minus"),
                    ("/plus%2Bminus", "/plus+minus"),
                    // Invalid UTF-8 and NUL match nothing.
                    ("/a/%FF", nil),
                    ("/a/x%00y", nil),
                ])
        }

        @Test(arguments: Style.allCases)
        func `a trailing slash is significant, and a named segment is never empty`(style: Style) async throws {
            try await Self.expect(
                ["/a", "/a/{id}", "/b/", "/c/{rest...}"], style,
                [
                    ("/a", "/a"), ("/a/", nil), ("/b/", "/b/"), ("/b", nil), ("//a", nil), ("/", nil),
                    ("/c", nil), ("/c/", "/c/{rest...} rest="), ("/c//x/", "/c/{rest...} rest=/x/"),
                ])
        }

        @Test
        func `routes ignore the query, and the origin of an absolute target`() async throws {
            try await Self.expect(
                ["/", "/a"], .async,
                [
                    ("/a?b=/c", "/a"), ("/?x", "/"), ("http://elsewhere/a", "/a"), ("http://elsewhere", "/"),
                    ("http://elsewhere?x", "/"),
                ])
        }

        @Test
        func `500 literal paths are all found`() async throws {
            let paths = (0..<500).map { "/path/number/\($0)" }
            try await Self.expect(paths, .async, paths.map { ($0, $0) } + [("/path/number/500", nil)])
        }

        @Test(arguments: Style.allCases)
        func `query items are percent-decoded, and malformed ones answered with 400`(style: Style) async throws {
            let router = Router()
            router.on(.get, "/", style) { request in Response(text: try request.query["q"] ?? "nil") }
            for setup in TestSetup.allCases {
                try await withTestServer(router, setup) { client in
                    for (target, text) in [("/", "nil"), ("/?q=a%20b", "a b"), ("/?p=1&q=2", "2"), ("/?q=a+b", "a b")] {
                        let answer = try await client.get(target)
                        #expect(answer.text == text, "\(target)")
                    }
                    #expect(try await client.get("/?q=%FF").status == 400)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a handler sees the method, path, parameters, fields and body of its request`(style: Style) async throws {
            let router = Router()
            router.on(.put, "/x/{id}", style) { request in
                Response(
                    text: [
                        request.method.rawValue, request.path, request.parameters["id"] ?? "nil", request[.userAgent] ?? "nil",
                        request[.accept] ?? "nil", "\(request.headers.count)", request.head.authority ?? "nil",
                        "\(request.body.contentLength ?? -1)", "\(request.remoteAddress.hasPrefix("127.0.0.1:"))",
                    ].joined(separator: " "))
            }
            let headers: HTTPFields = [HTTPField.Name("Host")!: "a:1", .accept: "b", .accept: "c"]
            for setup in [TestSetup.inProcess, .live, .tls] {
                try await withTestServer(router, setup) { client in
                    let response = try await client.execute(.put, "/x/%41?q", headers: headers, body: "body")
                    #expect(response.text == "PUT /x/%41 A nil b, c 4 a:1 4 true")
                }
            }
        }

        @Test
        func `routes are listed with their styles, in the order they were added`() {
            let router = Router()
            router.get("/") { _ async in Response() }
            router.post("/users/{id}") { _ in Response() }
            router.put("/f/{path...}") { _ async in Response() }
            router.patch("/f/x") { _ in Response() }
            router.delete("/f/x") { _ async in Response() }
            router.on(.init("PURGE")!, "/f/x") { _ in Response() }
            #expect(
                router.routes.map(\.description) == [
                    "GET / (async)", "POST /users/{id} (blocking)", "PUT /f/{path...} (async)", "PATCH /f/x (blocking)",
                    "DELETE /f/x (async)", "PURGE /f/x (blocking)",
                ])
            #expect(router.routes[1].method == .post)
            #expect(router.routes[1].path == "/users/{id}")
            #expect(router.routes[1].style == .blocking)
        }

        @Test
        func `a server takes a copy of the routes`() async throws {
            nonisolated(unsafe) var kept: Router?
            try await withServer(routes: { router in
                router.plain()
                kept = router
            }) { live in
                kept!.plain("/late")
                let answer = try live.get("/late")
                #expect(answer.status == 404)
            }
        }

        @Test
        func `each method of the router adds a route for that method, in both styles`() async throws {
            let router = Router()
            router.put("/b") { _ in Response(text: "put") }
            router.patch("/b") { _ in Response(text: "patch") }
            router.delete("/b") { _ in Response(text: "delete") }
            router.put("/a") { _ async in Response(text: "put") }
            router.patch("/a") { _ async in Response(text: "patch") }
            router.delete("/a") { _ async in Response(text: "delete") }
            for setup in TestSetup.allCases {
                try await withTestServer(router, setup) { client in
                    for path in ["/a", "/b"] {
                        for method in [HTTPRequest.Method.put, .patch, .delete] {
                            let response = try await client.execute(method, path)
                            #expect(response.text == method.rawValue.lowercased())
                        }
                    }
                }
            }
        }
    }

    struct RouterMistakeTests {
        @Test
        func `a malformed path ends the process`() async {
            await #expect(processExitsWith: .failure) { Router().get("") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("users") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/a{id}") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/{id}a") { _ in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/{}") { _ in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/{id}/{id}") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/{rest...}/a") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/a?b") { _ async in Response() } }
            await #expect(processExitsWith: .failure) { Router().get("/a%20b") { _ async in Response() } }
        }

        @Test
        func `a duplicate route ends the process, whatever its segments are called`() async {
            await #expect(processExitsWith: .failure) {
                let router = Router()
                router.get("/a") { _ async in Response() }
                router.get("/a") { _ in Response() }
            }
            await #expect(processExitsWith: .failure) {
                let router = Router()
                router.get("/a/{id}") { _ async in Response() }
                router.get("/a/{name}") { _ async in Response() }
            }
            await #expect(processExitsWith: .success) {
                let router = Router()
                router.get("/a/{id}") { _ async in Response() }
                router.post("/a/{name}") { _ async in Response() }
                router.get("/a/{rest...}") { _ async in Response() }
                router.get("/a/b") { _ async in Response() }
                exit(0)
            }
        }

        @Test
        func `running a server twice ends the process`() async {
            await #expect(processExitsWith: .failure) {
                var configuration = HTTPServerConfiguration()
                configuration.port = 0
                let server = HTTPServer(router: Router(), configuration: configuration)
                server.stop()
                try await server.run()
                try await server.run()
            }
        }
    }

    struct MiddlewareTests {
        /// Adds a letter to the answer's trace on the way out, and one to the log on the way in.
        static func use(_ router: Router, _ style: Style, _ letter: String, _ entered: Collected<String>) {
            let trace = HTTPField.Name("X-Trace")!
            switch style {
            case .blocking:
                router.use { request, next in
                    entered.add(letter)
                    try sleep(for: .milliseconds(1))
                    var response: Response
                    do { response = try next(request) } catch let error as HTTPError {
                        response = Response(status: error.status, text: error.message)
                    }
                    response.headers[trace] = (response.headers[trace] ?? "") + letter
                    return response
                }
            case .async:
                router.use { request, next in
                    entered.add(letter)
                    try await sleep(for: .milliseconds(1))
                    var response: Response
                    do { response = try await next(request) } catch let error as HTTPError {
                        response = Response(status: error.status, text: error.message)
                    }
                    response.headers[trace] = (response.headers[trace] ?? "") + letter
                    return response
                }
            }
        }

        static let mixes: [[Style]] = [[.async, .async], [.blocking, .blocking], [.async, .blocking], [.blocking, .async]]

        @Test(
            arguments: mixes,
            Style.allCases)
        func `the first middleware is outermost, in any mix of styles, also around the server's own answers`(
            mix: [Style], style: Style
        ) async throws {
            let entered = Collected<String>()
            let requests = [
                ("GET /", 200), ("GET /later", 200), ("GET /nowhere", 404), ("POST /", 405), ("TRACE /", 405), ("OPTIONS /", 204),
                ("OPTIONS *", 204), ("BREW /", 501), ("CONNECT a:80", 501), ("POST /", 413),
            ]
            try await withServer(
                { $0.maxBodyBytes = 10 },
                routes: { router in
                    router.sleeping("/", style, milliseconds: 1)
                    Self.use(router, mix[0], "a", entered)
                    Self.use(router, mix[1], "b", entered)
                    Self.use(router, mix[0], "c", entered)
                    // The middleware also applies to routes that are added later.
                    router.sleeping("/later", style, milliseconds: 1)
                }
            ) { live in
                for (line, status) in requests {
                    let client = try live.connect()
                    defer { try? client.close() }
                    let length = status == 413 ? 11 : 0
                    try client.send("\(line) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer.status.code == status, "\(line)")
                    #expect(answer[.trace] == "cba", "\(line)")
                }
                #expect(entered.all == requests.flatMap { _ in ["a", "b", "c"] })
            }
        }

        @Test(arguments: Style.allCases, Style.allCases)
        func `middleware can answer by itself, change the handler's answer, or throw`(outer: Style, inner: Style) async throws {
            let calls = Count()
            try await withServer(routes: { router in
                switch outer {
                case .blocking:
                    router.use { request, next in
                        guard request[.authorization] != nil else { throw HTTPError(.unauthorized, "who are you?") }
                        if request.path == "/teapot" { return Response(status: .init(code: 418)) }
                        return try next(request)
                    }
                case .async:
                    router.use { request, next in
                        guard request[.authorization] != nil else { throw HTTPError(.unauthorized, "who are you?") }
                        if request.path == "/teapot" { return Response(status: .init(code: 418)) }
                        return try await next(request)
                    }
                }
                router.on(.get, "/", inner) { _ in
                    calls.add()
                    return Response(text: "ok")
                }
            }) { live in
                let stranger = try live.get("/")
                #expect(stranger.status == 401)
                #expect(stranger.text == "who are you?\n")
                #expect(calls.value == 0)
                let headers: HTTPFields = [.authorization: "me"]
                #expect(try live.get("/teapot", headers: headers).status == 418)
                #expect(try live.get("/", headers: headers).text == "ok")
                #expect(calls.value == 1)
            }
        }

        @Test func `one path can have a handler for each method that the standards define`() async throws {
            let methods = KnownMethod.allCases.compactMap(\.method)
            #expect(methods.count == 9)
            let router = Router()
            for method in methods { router.on(method, "/all", .async) { _ in Response(text: method.rawValue) } }
            for method in methods where method != .connect {
                let answer = try await router.respond(to: Request(method: method, path: "/all"))
                #expect(try await answer.collectBody() == Array(method.rawValue.utf8))
            }
        }

        @Test(arguments: mixes)
        func `a reset reaches the handler through its middleware`(mix: [Style]) async throws {
            let started = Count()
            let entered = Collected<String>()
            try await withServer(routes: { router in
                Self.use(router, mix[0], "a", entered)
                Self.use(router, mix[1], "b", entered)
                router.waiting("/", mix[0], for: Event(), started: started)
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                try client.close(reset: true)
                #expect(live.logged(1).map(\.outcome) == [.cancelled])
            }
        }
    }
}
