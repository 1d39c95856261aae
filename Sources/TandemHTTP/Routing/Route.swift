internal import HTTPTypes
internal import Tandem

/// A handler, and the requests that it answers. A class, so that finding one copies a single reference.
final class Route: Sendable, CustomStringConvertible {
    /// Its number in the table.
    let index: Int
    let method: HTTPRequest.Method
    /// Whether it also answers HEAD, without a route of its own for that.
    let answersHead: Bool
    let pattern: PathPattern
    let handler: Handler
    /// Whether the handler, or any middleware around it, runs on a green thread.
    let needsGreenThread: Bool
    /// For messages about overflow and stalls.
    let name: GreenThreadName
    /// The group whose middleware is innermost around the handler.
    let group: Int

    init(
        index: Int, method: HTTPRequest.Method, pattern: PathPattern, handler: Handler, name: GreenThreadName, group: Int,
        needsGreenThread: Bool = false
    ) {
        self.needsGreenThread = needsGreenThread || handler.style == .blocking
        self.index = index
        self.method = method
        answersHead = method == .get
        self.pattern = pattern
        self.handler = handler
        self.name = name
        self.group = group
    }

    /// The same route with its handler inside a middleware.
    func wrapped(by middleware: Middleware) -> Route {
        Route(
            index: index, method: method, pattern: pattern, handler: middleware.wrapping(handler, name: name), name: name,
            group: group, needsGreenThread: needsGreenThread || middleware.isBlocking)
    }

    var description: String { "\(method.rawValue) \(pattern)" }

    /// As the router lists it.
    var listing: RouteDescription {
        RouteDescription(method: method, path: pattern.description, style: handler.style)
    }
}
