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

    /// Returns the bytes of an answer's body, and the error that has ended its stream early.
    package func collectBody(of response: Response) async -> (bytes: [UInt8], failure: (any Error)?) {
        guard case .stream(let length, let stream) = response.body else {
            do { return (try await response.collectBody(), nil) } catch { return ([], error) }
        }
        let sink = CollectingSink()
        do {
            let writer = ResponseWriter(sink, contentLength: length, draining: Draining(Event()))
            try await stream.write(to: writer, name: "response body")
            try writer.end()
            return (sink.bytes, nil)
        } catch {
            return (sink.bytes, error)
        }
    }
}

private final class CollectingSink: AnswerSink {
    private(set) var bytes: [UInt8] = []

    func put(_ bytes: [UInt8]) -> WriteStep {
        self.bytes += bytes
        return .goesOn
    }

    func flush() async {}

    func flush(file: StaticString, line: UInt) {}

    func giveWay() async {}

    func giveWay(file: StaticString, line: UInt) {}
}
