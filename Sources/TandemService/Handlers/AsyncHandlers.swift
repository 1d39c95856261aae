internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The endpoints as async code. Read it beside `BlockingHandlers`: it is the migration of a service, after.
struct AsyncHandlers: Sendable {
    let upstreams: Upstreams

    func addRoutes(to router: Router) {
        router.get("/async/plaintext") { _ async in Fixed.plaintext }
        router.get("/async/json") { _ async in Fixed.json }
        router.get("/async/sleep", pause)
        router.post("/async/echo", echo)
        router.get("/async/stream", stream)
        router.get("/async/fetch", fetch)
        router.post("/async/fetch", fetch)
        router.get("/async/fanout", fanOut)
        router.get("/async/bridge", bridge)
        router.get("/async/whoami") { _ async in whoAmI(.async) }
    }

    @Sendable func pause(_ request: Request) async throws -> Response {
        try await sleep(for: Parameters(request).milliseconds("ms"))
        return Fixed.ok
    }

    @Sendable func echo(_ request: Request) async throws -> Response {
        let body = request.body
        return Response(
            headers: echoHeaders(request), contentLength: body.contentLength,
            streaming: { writer in
                while let piece = try await body.read() { try await writer.write(piece) }
            })
    }

    @Sendable func stream(_ request: Request) async throws -> Response {
        let plan = try StreamPlan(request)
        return Response(
            headers: plan.headers,
            streaming: { writer in
                for index in 0..<plan.chunks {
                    if index > 0 { try await sleep(for: plan.pause) }
                    try await writer.write(plan.chunk)
                }
            })
    }

    @Sendable func fetch(_ request: Request) async throws -> Response {
        let rules = try await upstreams.rules()
        let target = try rules.target(of: request)
        do {
            let upstream = try await rules.client.stream(target)
            return Response(
                status: upstream.status, headers: relayedHeaders(upstream), contentLength: upstream.contentLength,
                streaming: { writer in
                    do {
                        try await upstream.forEachPiece { try await writer.write($0) }
                    } catch {
                        throw upstreamFailure(error)
                    }
                })
        } catch {
            throw upstreamFailure(error)
        }
    }

    @Sendable func fanOut(_ request: Request) async throws -> Response {
        let rules = try await upstreams.rules()
        let targets = try rules.targets(of: request)
        let stopwatch = Stopwatch()
        let visits = try await withThrowingTaskGroup(of: (Int, Visit).self) { group in
            for (index, target) in targets.enumerated() {
                group.addTask { (index, try await visit(target, rules.client)) }
            }
            return try await group.reduce(into: targets.map { Visit($0) }) { visits, ended in visits[ended.0] = ended.1 }
        }
        return Visit.answer(visits, stopwatch.elapsed)
    }

    /// Fetches and measures one target.
    private func visit(_ target: FetchRequest, _ client: FetchClient) async throws -> Visit {
        var visit = Visit(target)
        do {
            let upstream = try await client.stream(target)
            defer { upstream.close() }
            visit.status = upstream.status
            while let piece = try await upstream.read() { visit.bytes += piece.count }
        } catch {
            try visit.fail(error)
        }
        visit.end()
        return visit
    }

    @Sendable func bridge(_ request: Request) async throws -> Response {
        guard let depth = try BridgeLevel.depth(request) else {
            return Response(text: try await blocking { try BlockingHandlers.waitOnce() })
        }
        return try await BridgeLevel.$bound.withValue(BridgeLevel.name(1)) {
            BridgeLevel.answer(try await Self.levels(1, of: depth))
        }
    }

    /// What the blocking style's bridge calls.
    static func waitOnce() async throws -> String {
        try await sleep(for: .zero)
        return "async code waited once, and blocking code called it"
    }

    /// Levels `level` to `depth`, this one in async style, the next in blocking style.
    static func levels(_ level: Int, of depth: Int) async throws -> [BridgeLevel] {
        guard level <= depth else { return [] }
        let this = BridgeLevel(.async)
        let deeper = try await BridgeLevel.$bound.withValue(BridgeLevel.name(level + 1)) {
            try await blocking { try BlockingHandlers.levels(level + 1, of: depth) }
        }
        return [this] + deeper
    }
}
