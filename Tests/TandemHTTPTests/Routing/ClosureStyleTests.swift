import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ClosureStyleTests {
        /// Returns the styles of a router's routes in the order in which they were added.
        private func styles(_ add: (Router) async throws -> Void) async rethrows -> [RouteDescription.Style] {
            let router = Router()
            try await add(router)
            return router.routes.map(\.style)
        }

        @Test
        func `each method takes handlers of one expression and of many statements, in both styles`() async {
            let blocking = await styles { router in
                router.get("/1") { _ in Response(text: "ok") }
                router.post("/2") { Response(text: $0.path) }
                router.put("/3") { try blockingHandler($0) }
                router.patch("/4") { request in
                    try sleep(for: .zero)
                    if request.path == "/" { return Response() }
                    return try blockingHandler(request)
                }
                router.delete("/5") { _ in throw HTTPError(.gone, "") }
                router.on(.options, "/6") { request in
                    do { return try blockingHandler(request) } catch { return Response() }
                }
            }
            #expect(blocking == Array(repeating: .blocking, count: 6))
            let async = await styles { router in
                router.get("/1") { request in await quietHandler(request) }
                router.post("/2") { try await asyncHandler($0) }
                router.put("/3") { request in
                    try await sleep(for: .zero)
                    if request.path == "/" { return Response() }
                    return try blockingHandler(request)
                }
                router.patch("/4") { request in
                    if request.path == "/" { try await asyncHandler(request) } else { Response() }
                }
                router.delete("/5") { request in
                    defer { _ = request }
                    do { return try await asyncHandler(request) } catch { return Response() }
                }
                router.on(.options, "/6") { request in
                    switch request.method {
                    case .get: return Response()
                    default: return try await asyncHandler(request)
                    }
                }
            }
            #expect(async == Array(repeating: .async, count: 6))
        }

        @Test
        func `async let, for await and an explicit async make a closure async`() async {
            let numbers = Queue<Int>()
            let styles = await styles { router in
                router.get("/1") { request in
                    async let response = asyncHandler(request)
                    return try await response
                }
                router.get("/2") { _ in
                    for try await number in numbers { return Response(text: "\(number)") }
                    return Response()
                }
                router.get("/3") { _ async in Response() }
                router.get("/4") { request async throws in try blockingHandler(request) }
                router.get("/5") { (request: Request) async throws -> Response in Response(text: request.path) }
                router.get("/6") { [numbers] _ async in Response(text: "\(numbers.count)") }
            }
            #expect(styles == Array(repeating: .async, count: 6))
        }

        @Test
        func `a nested closure's style does not affect the closure around it`() async {
            let styles = await styles { router in
                router.get("/1") { request in try awaiting { try await asyncHandler(request) } }
                router.get("/2") { request in try await blocking { try blockingHandler(request) } }
                router.get("/3") { _ in
                    Response(streaming: { writer in try await writer.write([1]) })
                }
                router.get("/4") { _ in
                    try await sleep(for: .zero)
                    return Response(streaming: { writer in try writer.write([1]) })
                }
                router.get("/5") { request in
                    spawn { try await asyncHandler(request) }
                    return Response()
                }
            }
            #expect(styles == [.blocking, .async, .blocking, .async, .blocking])
        }

        @Test
        func `named functions, methods and stored closures have their declared style`() async {
            let service = Service(event: Event())
            let storedBlocking: RouteGroup.BlockingHandler = { _ in Response() }
            let storedAsync: RouteGroup.AsyncHandler = { _ in Response() }
            @Sendable func localBlocking(_ request: Request) throws -> Response { try blockingHandler(request) }
            @Sendable func localAsync(_ request: Request) async throws -> Response { try await asyncHandler(request) }
            let styles = await styles { router in
                router.get("/1", blockingHandler)
                router.get("/2", asyncHandler)
                router.get("/3", quietHandler)
                router.get("/4", service.waits)
                router.get("/5", service.suspends)
                router.get("/6", storedBlocking)
                router.get("/7", storedAsync)
                router.get("/8", localBlocking)
                router.get("/9", localAsync)
            }
            #expect(styles == [.blocking, .async, .async, .blocking, .async, .blocking, .async, .blocking, .async])
        }

        @Test
        func `adding await makes a handler async, whatever it captures`() async {
            let event = Event<Int>()
            let total = Mutex(0)
            event.send(7)
            let styles = await styles { router in
                router.get("/1") { _ in Response(text: "\(try event.wait())") }
                router.get("/2") { _ in Response(text: "\(try await event.wait())") }
                router.get("/3") { _ in
                    let value = try event.wait()
                    return Response(text: "\(total.withLock { $0 += value; return $0 })")
                }
                router.get("/4") { _ in
                    let value = try await event.wait()
                    return Response(text: "\(total.withLock { $0 += value; return $0 })")
                }
            }
            #expect(styles == [.blocking, .async, .blocking, .async])
        }

        @Test
        func `middleware and streams run as their own style requires`() async throws {
            try await withServer(routes: { router in
                router.use { request, next in marked(try next(request)) }
                router.use { request, next in marked(try await next(request)) }
                router.use { request, next in
                    try await sleep(for: .zero)
                    return marked(try await next(request))
                }
                router.use { request, next in
                    try sleep(for: .zero)
                    return marked(try next(request))
                }
                router.use { (request, next) async throws in marked(try await next(request)) }
                router.get("/blocking") { _ in Response(streaming: { writer in try writer.write(Array(place().utf8)) }) }
                router.get("/async") { _ in Response(streaming: { writer in try await writer.write(Array(place().utf8)) }) }
            }) { live in
                for path in ["blocking", "async"] {
                    let answer = try live.get("/\(path)")
                    #expect(answer.text == path)
                    // The innermost first.
                    #expect(answer[.places] == "async,blocking,async,async,blocking")
                }
            }
        }
    }
}

private func blockingHandler(_ request: Request) throws -> Response { Response() }
private func asyncHandler(_ request: Request) async throws -> Response { Response() }
private func quietHandler(_ request: Request) async -> Response { Response() }

private struct Service {
    let event: Event<Void>

    func waits(_ request: Request) throws -> Response {
        try event.wait()
        return Response()
    }

    func suspends(_ request: Request) async throws -> Response {
        try await event.wait()
        return Response()
    }
}

/// Returns the style of the calling code.
private func place() -> String { GreenThreadIdentity.current == nil ? "async" : "blocking" }

/// Adds the style of the calling code to an answer.
private func marked(_ response: Response) -> Response {
    var response = response
    response.headers[.xPlaces] = (response.headers[.xPlaces].map { $0 + "," } ?? "") + place()
    return response
}

extension HTTPField.Name {
    fileprivate static let xPlaces = HTTPField.Name("X-Places")!
}
