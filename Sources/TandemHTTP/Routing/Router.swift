public import HTTPTypes

/// All routes of a server, and the group around all other groups. Add the routes before you create the server, which takes a
/// copy.
///
/// A path is literal segments and `{name}` segments, each of which matches one whole segment; a last `{name...}` matches
/// the rest of the path. Of the routes that match a path and have the method, the one with literal segments wins over the
/// one with named ones. `GET` also answers `HEAD`. The server answers a path that no route matches with 404, and a path whose
/// routes do not have the method with 405 and `Allow`.
///
///     router.get("/title") { request in Response(text: try client.get(url).text) }          // blocking, on a green thread
///     router.get("/title") { request in Response(text: try await client.get(url).text) }    // async: the same, migrated
public final class Router: RouteGroup {
    /// A router with no routes.
    public init() { super.init(Storage(), index: 0) }

    /// Every route, those of groups included, in the order they were added.
    public var routes: [RouteDescription] { table.routes.map(\.listing) }

    var table: RouteTable { storage.table }
}

/// A route: what it answers, and in which style.
public struct RouteDescription: Sendable, Hashable, CustomStringConvertible {
    /// The style of a handler. Middleware in the other style does not change it.
    public enum Style: String, Sendable, CaseIterable {
        /// It awaits, and runs on the hub's own stack.
        case async
        /// It runs on a green thread.
        case blocking
    }

    /// The method. GET also answers HEAD.
    public let method: HTTPRequest.Method
    /// The whole path, with the prefixes of its groups, such as "/users/{id}".
    public let path: String
    /// The style of its handler.
    public let style: Style

    /// "GET /users/{id} (async)"
    public var description: String { "\(method.rawValue) \(path) (\(style.rawValue))" }
}
