internal import TandemFetch
internal import TandemHTTP

/// `fetch?url=U` fetches U and streams the answer through. A POST sends its body to U.
struct Fetch {
    let client: FetchClient

    func addRoutes(to router: Router) {
        router.get("/blocking/fetch", relayBlocking)
        router.post("/blocking/fetch", relayBlocking)
        router.get("/async/fetch", relay)
        router.post("/async/fetch", relay)
    }

    @Sendable private func relayBlocking(_ request: Request) throws -> Response {
        let target = try target(of: request)
        do {
            let upstream = try client.stream(target)
            return Response(
                status: upstream.status, headers: .content(ofType: upstream[.contentType]),
                contentLength: upstream.contentLength,
                streaming: { writer in
                    do {
                        try upstream.forEachPiece { try writer.write($0) }
                    } catch {
                        throw answer(to: error)
                    }
                })
        } catch {
            throw answer(to: error)
        }
    }

    @Sendable private func relay(_ request: Request) async throws -> Response {
        let target = try target(of: request)
        do {
            let upstream = try await client.stream(target)
            return Response(
                status: upstream.status, headers: .content(ofType: upstream[.contentType]),
                contentLength: upstream.contentLength,
                streaming: { writer in
                    do {
                        try await upstream.forEachPiece { try await writer.write($0) }
                    } catch {
                        throw answer(to: error)
                    }
                })
        } catch {
            throw answer(to: error)
        }
    }

    private func target(of request: Request) throws(HTTPError) -> FetchRequest {
        var target = try client.request(for: try request.query.value("url"))
        guard request.method == .post else { return target }
        target.method = .post
        target.headers[.contentType] = request[.contentType]
        // The client's body is read as fast as the upstream takes it, and no faster.
        target.body = FetchBody(request.body, contentLength: request.body.contentLength)
        return target
    }
}
