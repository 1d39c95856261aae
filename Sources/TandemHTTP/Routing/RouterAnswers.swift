internal import HTTPTypes
internal import Tandem

/// The answers of a router to requests without a connection. `TandemTesting` uses them.
package struct RouterAnswers: Sendable {
    private let dispatcher: Dispatcher
    private let maxBodyBytes: Int

    /// Copies the router's routes.
    ///
    /// - Parameter maxBodyBytes: A request with a longer body is answered with 413.
    package init(_ router: Router, maxBodyBytes: Int) {
        dispatcher = Dispatcher(router.table.compiled())
        self.maxBodyBytes = maxBodyBytes
    }

    /// Returns the answer of the request's route, or the server's own. Call it on a hub. Throws what the handler throws, and
    /// `HTTPError` for the server's own answers that are errors.
    package func answer(_ request: Request) async throws -> Response {
        let target = dispatcher.target(of: request.head, maxBodyBytes: maxBodyBytes)
        return try await target.handler.answer(request.with(target.parameters), name: target.name)
    }

    /// Returns the answer that a server sends when a handler has thrown `error`.
    package func answer(to error: any Error) -> Response {
        ((error as? HTTPError) ?? HTTPError(.internalServerError, "internal server error")).response
    }

    /// Returns the bytes of the body that a server sends in answer to this method, and the error that has ended its stream early.
    package func collectBody(
        of response: Response, to method: HTTPRequest.Method
    ) async -> (bytes: [UInt8], failure: (any Error)?) {
        let memory = MemorySink()
        guard response.mayHaveBody, method != .head else { return ([], nil) }
        do {
            try await response.collectBody(into: memory)
            return (memory.bytes, nil)
        } catch {
            return (memory.bytes, error)
        }
    }
}
