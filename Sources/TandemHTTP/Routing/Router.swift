public import HTTPTypes

/// All routes of a server, and the outermost group. Add the routes before you create the server, which takes a copy.
///
/// A path consists of literal segments and `{name}` segments. A `{name}` segment matches one whole segment that is not empty; a
/// last `{name...}` matches the rest of the path. If several routes match a path and have the method, a literal segment wins
/// over a named one. A route for GET also answers HEAD. If no route matches the path, the server answers 404. If routes match
/// the path, but none has the method, it answers 405 with `Allow`.
///
///     router.get("/title") { request in Response(text: try client.get(url).text) }          // blocking, on a green thread
///     router.get("/title") { request in Response(text: try await client.get(url).text) }    // async: the same, migrated
public final class Router: RouteGroup {
    /// Creates a router without routes.
    public init() { super.init(Storage(), index: 0) }

    /// All routes, including those of groups, in the order in which they were added.
    public var routes: [RouteDescription] { table.routes.map(\.listing) }

    var table: RouteTable { storage.table }
}

/// The description of a route: its method, its path and the style of its handler.
public struct RouteDescription: Sendable, Hashable, CustomStringConvertible {
    /// The style of a handler. Middleware in the other style does not change it.
    public enum Style: String, Sendable, CaseIterable {
        /// An async handler, which runs on the hub's own stack.
        case async
        /// A blocking handler, which runs on a green thread.
        case blocking
    }

    /// The method. GET also answers HEAD.
    public let method: HTTPRequest.Method
    /// The whole path, with the prefixes of its groups, such as "/users/{id}".
    public let path: String
    /// The style of the handler; of a migrating route, of the handler that the code's mode selects.
    public let style: Style
    /// The two handlers and the mode of a migrating route; nil for a route with one handler.
    public let migration: MigrationDescription?

    /// The method, the path and the style, such as "GET /users/{id} (async)".
    public var description: String { "\(method.rawValue) \(path) (\(style.rawValue))" }
}

/// The description of a migrating route: the styles of its handlers, and the mode in code.
public struct MigrationDescription: Sendable, Hashable {
    /// The style of the old handler.
    public let old: RouteDescription.Style
    /// The style of the new handler.
    public let new: RouteDescription.Style
    /// The mode in code, which configuration may override.
    public let mode: Migration
}
