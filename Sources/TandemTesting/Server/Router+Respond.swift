internal import Tandem
public import TandemHTTP

/// Requests without a server, in both styles.
///
///     let response = try await router.respond(to: Request(path: "/users/7"))
///     #expect(response.status == .ok)
extension Router {
    /// Returns the response to a request: from a route and through the middleware, or the server's own (404, 405, OPTIONS).
    ///
    /// An `HTTPError` becomes the answer that a server sends; any other error is thrown, so that the test sees it. Runs on the
    /// caller's hub, elsewhere on a hub that the process shares.
    public func respond(to request: Request) async throws -> Response {
        let answers = RouterAnswers(self, maxBodyBytes: .max)
        return try await Hub.forTestClients.visit {
            do { return try await answers.answer(request) } catch let error as HTTPError { return answers.answer(to: error) }
        }
    }

    /// Returns the answer to a request; parks the green thread, and blocks an ordinary OS thread. Otherwise like the async form.
    @available(*, noasync)
    public func respond(to request: Request, file: StaticString = #fileID, line: UInt = #line) throws -> Response {
        try awaiting(file: file, line: line) { try await respond(to: request) }
    }
}
