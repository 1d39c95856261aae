internal import HTTPTypes
internal import Tandem

/// A handler, and the requests that it answers. A class, so that finding one copies a single reference.
final class Route: Sendable, CustomStringConvertible {
    /// The index of the route in the table.
    let index: Int
    let method: HTTPRequest.Method
    /// Whether the route also answers HEAD, because it answers GET.
    let answersHead: Bool
    let pattern: PathPattern
    /// The handler, inside the middleware around it.
    let handler: Handler
    /// The style that the route's own handler is written in.
    let style: RouteDescription.Style
    /// Whether the handler, or any middleware around it, runs on a green thread.
    let needsGreenThread: Bool
    /// The name of the green thread, for messages about stack overflow and stalls.
    let name: GreenThreadName
    /// The index of the group that the route was added to.
    let group: Int
    /// The two handlers of a migrating route; nil for a route with one handler.
    let pair: MigratingPair?
    /// The index of a migrating route among those of its server; -1 for a route that answers by `handler`.
    let migrationIndex: Int

    init(
        index: Int, method: HTTPRequest.Method, pattern: PathPattern, handler: Handler, name: GreenThreadName, group: Int,
        style: RouteDescription.Style? = nil, needsGreenThread: Bool = false, pair: MigratingPair? = nil,
        migrationIndex: Int = -1
    ) {
        self.pair = pair
        self.migrationIndex = migrationIndex
        self.style = style ?? handler.style
        self.needsGreenThread = needsGreenThread || handler.style == .blocking
        self.index = index
        self.method = method
        answersHead = method == .get
        self.pattern = pattern
        self.handler = handler
        self.name = name
        self.group = group
    }

    /// Returns the same route with its handler inside a middleware.
    func wrapped(by middleware: Middleware) -> Route {
        Route(
            index: index, method: method, pattern: pattern, handler: middleware.wrapping(handler, name: name), name: name,
            group: group, style: style, needsGreenThread: needsGreenThread || middleware.isBlocking, pair: pair)
    }

    /// Returns the same route with one handler.
    func with(_ handler: Handler) -> Route {
        Route(index: index, method: method, pattern: pattern, handler: handler, name: name, group: group)
    }

    /// Returns the same route with this index among the migrating routes.
    func migrating(as migrationIndex: Int) -> Route {
        Route(
            index: index, method: method, pattern: pattern, handler: handler, name: name, group: group, style: style,
            needsGreenThread: needsGreenThread, pair: pair, migrationIndex: migrationIndex)
    }

    var description: String { "\(method.rawValue) \(pattern)" }

    /// The route's entry in `Router.routes`.
    var listing: RouteDescription {
        RouteDescription(
            method: method, path: pattern.description, style: style,
            migration: pair.map { .init(old: $0.old.style, new: $0.new.style, mode: $0.migration) })
    }
}

/// A handler, in the style it was written in.
enum Handler: Sendable {
    case async(Router.AsyncHandler)
    case blocking(Router.BlockingHandler)

    var style: RouteDescription.Style {
        switch self {
        case .async: .async
        case .blocking: .blocking
        }
    }

    /// Calls the handler, in either style. A blocking handler borrows a green stack for the length of the call.
    func answer(_ request: Request, name: GreenThreadName) async throws -> Response {
        switch self {
        case .async(let handler): try await handler(request)
        case .blocking(let handler): try await Tandem.blocking(name: name, line: 0) { try handler(request) }
        }
    }
}

/// A middleware, in the style it was written in.
enum Middleware: Sendable {
    case async(Router.AsyncMiddleware)
    case blocking(Router.BlockingMiddleware)

    var isBlocking: Bool {
        if case .blocking = self { true } else { false }
    }

    /// Returns `inner` wrapped in this middleware. The result has the middleware's style.
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
