internal import Tandem

/// What answers a request, in the style it was written in.
enum Handler: Sendable {
    case async(Router.AsyncHandler)
    case blocking(Router.BlockingHandler)

    var style: RouteDescription.Style {
        switch self {
        case .async: .async
        case .blocking: .blocking
        }
    }

    /// Answers, in either style. A blocking handler borrows a green stack for the length of the call.
    func answer(_ request: Request, name: GreenThreadName) async throws -> Response {
        switch self {
        case .async(let handler): try await handler(request)
        case .blocking(let handler): try await Tandem.blocking(name: name) { try handler(request) }
        }
    }
}

/// What wraps handlers, in the style it was written in.
enum Middleware: Sendable {
    case async(Router.AsyncMiddleware)
    case blocking(Router.BlockingMiddleware)

    var isBlocking: Bool {
        if case .blocking = self { true } else { false }
    }

    /// A handler that is `inner` wrapped in this. A handler that is wrapped in its own style stays in it.
    func wrapping(_ inner: Handler, name: GreenThreadName) -> Handler {
        switch (self, inner) {
        case (.async(let outer), .async(let inner)):
            .async { request in try await outer(request, inner) }
        case (.blocking(let outer), .blocking(let inner)):
            .blocking { request in try outer(request, inner) }
        case (.async(let outer), .blocking):
            .async { request in try await outer(request) { try await inner.answer($0, name: name) } }
        case (.blocking(let outer), .async(let inner)):
            .blocking { request in
                try outer(request) { request in try awaiting { try await inner(request) } }
            }
        }
    }
}
