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

extension FetchClient {
    /// Returns a request for a URL that a client of this service has sent.
    ///
    /// The client checks every URL itself. This check comes first, so that a URL that is refused is the fault of our client (400 or
    /// 403), and a redirect to one is the fault of the upstream.
    func request(for url: String) throws(HTTPError) -> FetchRequest {
        guard let allowList else { return FetchRequest(url: url) }
        do throws(FetchError) {
            return FetchRequest(url: try allowList.check(url).text)
        } catch {
            throw HTTPError(error.code == .originNotAllowed ? .forbidden : .badRequest, error.message)
        }
    }
}

/// Returns the error for the client when a fetch that it asked for has failed; other errors, such as cancellation, stay as they are.
///
/// 403 for a redirect to an address that is not allowed, 503 when too many fetches wait already, 504 when the upstream is too slow,
/// 502 for everything else.
func answer(to error: any Error) -> any Error {
    guard let error = error as? FetchError else { return error }
    let status: HTTPResponse.Status =
        switch error.code {
        case .refused, .originNotAllowed: .forbidden
        case .overloaded, .queueTimedOut: .serviceUnavailable
        case _ where error.isTimeout: .gatewayTimeout
        default: .badGateway
        }
    return HTTPError(
        status, "the fetch failed: \(error.message)", headers: status == .serviceUnavailable ? [.retryAfter: "1"] : [:])
}
