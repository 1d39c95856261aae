public import HTTPTypes

/// Which handler answers which request. Filled before the server starts; a server takes a copy.
///
/// A path is literal segments and `{name}` segments, each of which matches one whole segment; a last `{name...}` matches
/// the rest of the path. Of the routes that match a path and have the method, the one with literal segments wins over the
/// one with named ones. `GET` also answers `HEAD`. What matches no path is 404; a path without the method is 405, with
/// `Allow`.
public final class Router {
    /// A handler in async style.
    public typealias AsyncHandler = @Sendable (Request) async throws -> Response
    /// A handler in blocking style; it runs on a green thread.
    public typealias BlockingHandler = @Sendable (Request) throws -> Response
    /// A middleware in async style: calls `next` for the answer of what it wraps, or answers by itself.
    public typealias AsyncMiddleware = @Sendable (Request, _ next: AsyncHandler) async throws -> Response
    /// A middleware in blocking style; it runs on a green thread.
    public typealias BlockingMiddleware = @Sendable (Request, _ next: BlockingHandler) throws -> Response

    private(set) var table = RouteTable()

    /// A router with no routes.
    public init() {}

    /// Every route, as "GET /users/{id}", in the order they were added.
    public var routes: [String] { table.routes.map(\.description) }

    /// Answers `method` on `path` in async style. Traps on a malformed path or a route that exists already: both are
    /// mistakes in the program.
    public func on(_ method: HTTPRequest.Method, _ path: String, async handler: @escaping AsyncHandler) {
        table.add(method, path, .async(handler))
    }

    /// Answers `method` on `path` in blocking style. Traps on a malformed path or a route that exists already.
    public func on(_ method: HTTPRequest.Method, _ path: String, blocking handler: @escaping BlockingHandler) {
        table.add(method, path, .blocking(handler))
    }

    /// Wraps every handler, also those added earlier, and the server's own answers: 404, 405, 413, 501 and those
    /// to OPTIONS. The first that is added is outermost. What is no HTTP never becomes a request, and is refused without it.
    public func use(async middleware: @escaping AsyncMiddleware) { table.middleware.append(.async(middleware)) }

    /// Wraps every handler, also those added earlier, and the server's own answers: 404, 405, 413, 501 and those
    /// to OPTIONS. The first that is added is outermost. What is no HTTP never becomes a request, and is refused without it.
    public func use(blocking middleware: @escaping BlockingMiddleware) { table.middleware.append(.blocking(middleware)) }
}

extension Router {
    /// Answers GET, and HEAD, in async style.
    public func get(_ path: String, async handler: @escaping AsyncHandler) { on(.get, path, async: handler) }
    /// Answers GET, and HEAD, in blocking style.
    public func get(_ path: String, blocking handler: @escaping BlockingHandler) { on(.get, path, blocking: handler) }
    /// Answers POST in async style.
    public func post(_ path: String, async handler: @escaping AsyncHandler) { on(.post, path, async: handler) }
    /// Answers POST in blocking style.
    public func post(_ path: String, blocking handler: @escaping BlockingHandler) { on(.post, path, blocking: handler) }
    /// Answers PUT in async style.
    public func put(_ path: String, async handler: @escaping AsyncHandler) { on(.put, path, async: handler) }
    /// Answers PUT in blocking style.
    public func put(_ path: String, blocking handler: @escaping BlockingHandler) { on(.put, path, blocking: handler) }
    /// Answers PATCH in async style.
    public func patch(_ path: String, async handler: @escaping AsyncHandler) { on(.patch, path, async: handler) }
    /// Answers PATCH in blocking style.
    public func patch(_ path: String, blocking handler: @escaping BlockingHandler) { on(.patch, path, blocking: handler) }
    /// Answers DELETE in async style.
    public func delete(_ path: String, async handler: @escaping AsyncHandler) { on(.delete, path, async: handler) }
    /// Answers DELETE in blocking style.
    public func delete(_ path: String, blocking handler: @escaping BlockingHandler) { on(.delete, path, blocking: handler) }
}
