internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The endpoints as blocking code. Read it beside `AsyncHandlers`: it is the migration of a service, before.
struct BlockingHandlers: Sendable {
    let upstreams: Upstreams

    func addRoutes(to router: Router) {
        router.get("/blocking/plaintext") { _ in Fixed.plaintext }
        router.get("/blocking/json") { _ in Fixed.json }
        router.get("/blocking/sleep", pause)
        router.post("/blocking/echo", echo)
        router.get("/blocking/stream", stream)
        router.get("/blocking/fetch", fetch)
        router.post("/blocking/fetch", fetch)
        router.get("/blocking/fanout", fanOut)
        router.get("/blocking/bridge", bridge)
        router.get("/blocking/whoami") { _ in whoAmI(.blocking) }
    }

    @Sendable func pause(_ request: Request) throws -> Response {
        try sleep(for: Parameters(request).milliseconds("ms"))
        return Fixed.ok
    }

    @Sendable func echo(_ request: Request) throws -> Response {
        let body = request.body
        return Response(
            headers: echoHeaders(request), contentLength: body.contentLength,
            streaming: { writer in
                while let piece = try body.read() { try writer.write(piece) }
            })
    }

    @Sendable func stream(_ request: Request) throws -> Response {
        let plan = try StreamPlan(request)
        return Response(
            headers: plan.headers,
            streaming: { writer in
                for index in 0..<plan.chunks {
                    if index > 0 { try sleep(for: plan.pause) }
                    try writer.write(plan.chunk)
                }
            })
    }

    @Sendable func fetch(_ request: Request) throws -> Response {
        let rules = try upstreams.rules()
        let target = try rules.target(of: request)
        do {
            let upstream = try rules.client.stream(target)
            return Response(
                status: upstream.status, headers: relayedHeaders(upstream), contentLength: upstream.contentLength,
                streaming: { writer in
                    do {
                        try upstream.forEachPiece { try writer.write($0) }
                    } catch {
                        throw upstreamFailure(error)
                    }
                })
        } catch {
            throw upstreamFailure(error)
        }
    }

    @Sendable func fanOut(_ request: Request) throws -> Response {
        let rules = try upstreams.rules()
        let targets = try rules.targets(of: request)
        let stopwatch = Stopwatch()
        let threads = targets.map { target in GreenThread(name: "fan-out") { try visit(target, rules.client) } }
        // When the client goes away, they have nobody left to fetch for.
        defer { for thread in threads { thread.cancel() } }
        return Visit.answer(try threads.map { try $0.wait() }, stopwatch.elapsed)
    }

    /// Fetches and measures one target.
    private func visit(_ target: FetchRequest, _ client: FetchClient) throws -> Visit {
        var visit = Visit(target)
        do {
            let upstream = try client.stream(target)
            defer { upstream.close() }
            visit.status = upstream.status
            while let piece = try upstream.read() { visit.bytes += piece.count }
        } catch {
            try visit.fail(error)
        }
        visit.end()
        return visit
    }

    @Sendable func bridge(_ request: Request) throws -> Response {
        guard let depth = try BridgeLevel.depth(request) else {
            return Response(text: try awaiting { try await AsyncHandlers.waitOnce() })
        }
        return try BridgeLevel.$bound.withValue(BridgeLevel.name(1)) {
            BridgeLevel.answer(try Self.levels(1, of: depth))
        }
    }

    /// What the async style's bridge calls.
    static func waitOnce() throws -> String {
        try sleep(for: .zero)
        return "blocking code waited once, and async code called it"
    }

    /// Levels `level` to `depth`, this one in blocking style, the next in async style.
    static func levels(_ level: Int, of depth: Int) throws -> [BridgeLevel] {
        guard level <= depth else { return [] }
        let this = BridgeLevel(.blocking)
        let deeper = try BridgeLevel.$bound.withValue(BridgeLevel.name(level + 1)) {
            try awaiting { try await AsyncHandlers.levels(level + 1, of: depth) }
        }
        return [this] + deeper
    }
}
