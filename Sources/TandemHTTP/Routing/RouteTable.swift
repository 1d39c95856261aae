internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// All routes, by path and then by method.
struct RouteTable: Sendable {
    /// The result of looking up a request's path and method.
    enum Match {
        case found(Route, PathParameters)
        case methodNotAllowed(allowed: [HTTPRequest.Method])
        case notFound
    }

    private struct Group: Sendable {
        /// The whole prefix, including the prefixes of the outer groups.
        let prefix: String
        /// The index of the outer group; nil for the router itself.
        let parent: Int?
        var middleware: [Middleware] = []
    }

    private(set) var routes: [Route] = []
    /// The migrating routes of a compiled table.
    private(set) var migrating: [MigratingRoute] = []
    /// All groups. The first is the router itself.
    private var groups = [Group(prefix: "", parent: nil)]
    private var literals = LiteralPaths()
    private var tree = PathTree()

    /// Adds a migrating route to a group. Also traps on a mode that the method does not permit.
    mutating func add(_ method: HTTPRequest.Method, _ path: String, _ pair: MigratingPair, to group: Int) {
        guard pair.permits(pair.migration, method) else {
            fatalError("\(method.rawValue) \(path): \(method.rawValue) is not a safe method: shadows need an UnsafeShadow")
        }
        let isNew = if case .new = pair.migration.mode { true } else { false }
        add(method, path, isNew ? pair.new : pair.old, to: group, pair)
    }

    /// Adds a route to a group. Traps on a malformed path and on a second handler for the same requests.
    mutating func add(
        _ method: HTTPRequest.Method, _ path: String, _ handler: Handler, to group: Int, _ pair: MigratingPair? = nil
    ) {
        let pattern = RouteTable.pattern(path, in: groups[group].prefix, as: .route)
        let name = GreenThreadName(permanent: "\(method.rawValue) \(pattern)")
        let index = routes.count
        routes.append(
            Route(index: index, method: method, pattern: pattern, handler: handler, name: name, group: group, pair: pair))
        let added = tree.add(pattern.segments[...], index, method)
        // An optimized build would drop the message of a precondition.
        guard added else { fatalError("there is a route for \(method.rawValue) \(pattern) already") }
        if pattern.isLiteral { literals.add(pattern.description, method, index) }
    }

    /// Adds a group in `parent`, and returns its index. Traps on a malformed prefix.
    mutating func addGroup(_ prefix: String, in parent: Int) -> Int {
        let outer = groups[parent].prefix
        let whole = prefix.isEmpty ? outer : RouteTable.pattern(prefix, in: outer, as: .groupPrefix).description
        groups.append(Group(prefix: whole, parent: parent))
        return groups.count - 1
    }

    private static func pattern(_ path: String, in prefix: String, as use: PathPattern.Use) -> PathPattern {
        do throws(PathPattern.Malformed) { return try PathPattern(path, in: prefix, as: use) } catch {
            fatalError(error.description)
        }
    }

    mutating func use(_ middleware: Middleware, in group: Int) { groups[group].middleware.append(middleware) }

    /// Returns the table with its middleware wrapped around its handlers.
    func compiled() -> RouteTable {
        var table = self
        for (index, route) in routes.enumerated() {
            table.routes[index] = wrapped(route)
            guard let pair = route.pair else { continue }
            table.routes[index] = table.routes[index].migrating(as: table.migrating.count)
            table.migrating.append(MigratingRoute(route, pair) { wrapped(route.with($0)) })
        }
        return table
    }

    /// Returns the route with all its middleware around its handler.
    private func wrapped(_ route: Route) -> Route {
        var route = route
        var group = Optional(route.group)
        while let inner = group {
            for layer in groups[inner].middleware.reversed() { route = route.wrapped(by: layer) }
            group = groups[inner].parent
        }
        return route
    }

    /// Returns one of the server's own handlers, such as the one that answers 404, wrapped in the router's middleware.
    func wrapped(_ handler: Handler, name: GreenThreadName) -> Handler {
        groups[0].middleware.reversed().reduce(handler) { $1.wrapping($0, name: name) }
    }

    /// The methods that at least one path answers, for `OPTIONS *`.
    var methods: [HTTPRequest.Method] {
        var methods = MethodMap()
        for (index, route) in routes.enumerated() { _ = methods.add(route.method, index) }
        return [methods].allowed
    }

    /// Returns the route without named segments whose path equals the request's path byte for byte. The table keeps the route
    /// alive.
    func literalMatch(_ head: RequestHead) -> Unretained<Route>? {
        let method = head.knownMethod
        return head.withPathBytes { literals.route($0, method) }.map { Unretained(routes[$0]) }
    }

    /// Returns the result of looking up a request among all routes, literal ones included.
    func match(_ head: RequestHead) -> Match {
        let method = head.method
        let segments = head.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            PercentDecoding.decode($0)
        }
        // A segment that cannot be decoded matches no route.
        guard head.path.first == "/", !segments.contains(nil) else { return .notFound }
        var search = PathSearch(method: method)
        _ = tree.find(segments.compactMap(\.self)[...], &search)
        if let index = search.index {
            return .found(routes[index], PathParameters(names: routes[index].pattern.names, values: search.values))
        }
        return search.others.isEmpty ? .notFound : .methodNotAllowed(allowed: search.others.allowed)
    }
}
