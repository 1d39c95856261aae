public import HTTPTypes

/// Routes that share a path prefix and middleware.
///
///     router.group("/orders/{customer}") { orders in
///         orders.use { request, next in try await checked(request, next) }
///         orders.get("") { request in … }            // GET /orders/{customer}
///         orders.get("/{id}") { request in … }       // GET /orders/{customer}/{id}
///         orders.group("/archive") { archive in … }
///     }
///
/// Every method that takes a closure has two forms, and the closure's own style selects one: a closure that awaits is async, and
/// runs on the hub's own stack; one that does not await is blocking, and runs on a green thread. Write `{ _ async in … }` for an
/// async closure that awaits nothing. A named function has the style of its declaration.
///
/// A handler runs inside its group's middleware, then that of the group around it, and so on to the router's. A group's
/// middleware applies to all of its routes and nested groups, whether they are added before or after it. The server's own
/// answers belong to no group: a request for an unknown path under the prefix of a group passes only through the router's
/// middleware.
public class RouteGroup {
    /// A handler in async style.
    public typealias AsyncHandler = @Sendable (Request) async throws -> Response
    /// A handler in blocking style, which runs on a green thread.
    public typealias BlockingHandler = @Sendable (Request) throws -> Response
    /// A middleware in async style. It calls `next` for the answer of the inner middleware or handler, or answers itself.
    public typealias AsyncMiddleware = @Sendable (Request, _ next: AsyncHandler) async throws -> Response
    /// A middleware in blocking style, which runs on a green thread.
    public typealias BlockingMiddleware = @Sendable (Request, _ next: BlockingHandler) throws -> Response

    /// The table that a router and all its groups fill.
    final class Storage {
        var table = RouteTable()
    }

    let storage: Storage
    private let index: Int

    init(_ storage: Storage, index: Int) {
        self.storage = storage
        self.index = index
    }

    // MARK: Routes

    /// Adds a route with a handler in async style. Traps if the path is malformed or the route exists already, which are
    /// mistakes in the program.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: The path after the group's prefix; see `Router` for its syntax. "" is the prefix itself. A router has no
    ///     prefix and needs at least "/".
    ///   - handler: Answers the requests. An error that it throws is answered with its status if it is an `HTTPError`, otherwise
    ///     with 500.
    public func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping AsyncHandler) {
        storage.table.add(method, path, .async(handler), to: index)
    }

    /// Adds a route with a handler in blocking style, which runs on a green thread. Otherwise like the async form.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping BlockingHandler) {
        storage.table.add(method, path, .blocking(handler), to: index)
    }

    /// Adds a route for GET and HEAD with a handler in async style; see `on`.
    public func get(_ path: String, _ handler: @escaping AsyncHandler) { on(.get, path, handler) }
    /// Adds a route for GET and HEAD with a handler in blocking style; see `on`.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func get(_ path: String, _ handler: @escaping BlockingHandler) { on(.get, path, handler) }
    /// Adds a route for POST with a handler in async style; see `on`.
    public func post(_ path: String, _ handler: @escaping AsyncHandler) { on(.post, path, handler) }
    /// Adds a route for POST with a handler in blocking style; see `on`.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func post(_ path: String, _ handler: @escaping BlockingHandler) { on(.post, path, handler) }
    /// Adds a route for PUT with a handler in async style; see `on`.
    public func put(_ path: String, _ handler: @escaping AsyncHandler) { on(.put, path, handler) }
    /// Adds a route for PUT with a handler in blocking style; see `on`.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func put(_ path: String, _ handler: @escaping BlockingHandler) { on(.put, path, handler) }
    /// Adds a route for PATCH with a handler in async style; see `on`.
    public func patch(_ path: String, _ handler: @escaping AsyncHandler) { on(.patch, path, handler) }
    /// Adds a route for PATCH with a handler in blocking style; see `on`.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func patch(_ path: String, _ handler: @escaping BlockingHandler) { on(.patch, path, handler) }
    /// Adds a route for DELETE with a handler in async style; see `on`.
    public func delete(_ path: String, _ handler: @escaping AsyncHandler) { on(.delete, path, handler) }
    /// Adds a route for DELETE with a handler in blocking style; see `on`.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func delete(_ path: String, _ handler: @escaping BlockingHandler) { on(.delete, path, handler) }

    // MARK: Migrating routes

    /// Adds a route with two handlers, between which `migration` or the configuration divides the requests. Each handler has the
    /// style of its closure. To middleware the two are one handler.
    ///
    ///     router.migrate(.get, "/users/{id}", from: oldUser, to: newUser, .shadow(sample: 1))
    ///
    /// Traps as `on` does, and if the mode runs shadows of an unsafe method without `unsafe`.
    ///
    /// - Parameters:
    ///   - method: The method. HEAD follows its GET.
    ///   - path: The path after the group's prefix.
    ///   - old: The handler that is to be replaced.
    ///   - new: The handler that replaces it.
    ///   - migration: The mode; `HTTPServerConfiguration.migrations` may override it.
    ///   - comparison: How answers are compared.
    ///   - unsafe: The permission to run shadows although the method is not safe.
    public func migrate(
        _ method: HTTPRequest.Method, _ path: String, from old: @escaping AsyncHandler, to new: @escaping AsyncHandler,
        _ migration: Migration = .old, comparing comparison: AnswerComparison = .exact, unsafe: UnsafeShadow? = nil
    ) { migrate(method, path, .async(old), .async(new), migration, comparison, unsafe) }

    /// Adds a route with an old handler in blocking style and a new one in async style; see the first form.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func migrate(
        _ method: HTTPRequest.Method, _ path: String, from old: @escaping BlockingHandler, to new: @escaping AsyncHandler,
        _ migration: Migration = .old, comparing comparison: AnswerComparison = .exact, unsafe: UnsafeShadow? = nil
    ) { migrate(method, path, .blocking(old), .async(new), migration, comparison, unsafe) }

    /// Adds a route with an old handler in async style and a new one in blocking style; see the first form.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func migrate(
        _ method: HTTPRequest.Method, _ path: String, from old: @escaping AsyncHandler, to new: @escaping BlockingHandler,
        _ migration: Migration = .old, comparing comparison: AnswerComparison = .exact, unsafe: UnsafeShadow? = nil
    ) { migrate(method, path, .async(old), .blocking(new), migration, comparison, unsafe) }

    /// Adds a route with two handlers in blocking style; see the first form.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func migrate(
        _ method: HTTPRequest.Method, _ path: String, from old: @escaping BlockingHandler, to new: @escaping BlockingHandler,
        _ migration: Migration = .old, comparing comparison: AnswerComparison = .exact, unsafe: UnsafeShadow? = nil
    ) { migrate(method, path, .blocking(old), .blocking(new), migration, comparison, unsafe) }

    private func migrate(
        _ method: HTTPRequest.Method, _ path: String, _ old: Handler, _ new: Handler, _ migration: Migration,
        _ comparison: AnswerComparison, _ unsafe: UnsafeShadow?
    ) {
        let pair = MigratingPair(old: old, new: new, migration: migration, comparison: comparison, unsafe: unsafe)
        storage.table.add(method, path, pair, to: index)
    }

    // MARK: Middleware

    /// Adds a middleware around every handler of this group and its nested groups, including handlers that were added earlier.
    /// Of several middlewares, the one added first is outermost. A router's middleware applies to every route of every group,
    /// and to the server's own answers (404, 405, 413, 501 and those to OPTIONS). The server refuses malformed requests without
    /// calling middleware.
    public func use(_ middleware: @escaping AsyncMiddleware) { storage.table.use(.async(middleware), in: index) }

    /// Adds a middleware in blocking style, which runs on a green thread. Otherwise like the async form.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func use(_ middleware: @escaping BlockingMiddleware) { storage.table.use(.blocking(middleware), in: index) }

    // MARK: Groups

    /// Returns a new group in this one. Two groups may have the same prefix; each has separate middleware.
    ///
    /// Traps on a malformed prefix, which is a mistake in the program.
    ///
    /// - Parameter prefix: Literal segments and `{name}` segments, such as "/users/{id}", without a slash at the end. "" makes a
    ///   group of routes that share only middleware.
    public func group(_ prefix: String) -> RouteGroup {
        RouteGroup(storage, index: storage.table.addGroup(prefix, in: index))
    }

    /// Creates a group in this one, and calls `routes` with it to add its routes. Rethrows the error that `routes` throws.
    public func group(_ prefix: String, _ routes: (RouteGroup) throws -> Void) rethrows { try routes(group(prefix)) }
}
