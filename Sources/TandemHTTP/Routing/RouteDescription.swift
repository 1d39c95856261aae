public import HTTPTypes

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
