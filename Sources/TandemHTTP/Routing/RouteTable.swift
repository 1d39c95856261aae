internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// One handler, and where it stands.
struct Route: Sendable, CustomStringConvertible {
    let method: HTTPRequest.Method
    let pattern: PathPattern
    var handler: Handler
    /// For messages about overflow and stalls.
    let name: GreenThreadName

    var description: String { "\(method.rawValue) \(pattern)" }
}

/// All routes, by path and then by method.
struct RouteTable: Sendable {
    /// What a request's path and method came to.
    enum Match {
        case found(index: Int, PathParameters)
        case methodNotAllowed(allowed: [HTTPRequest.Method])
        case notFound
    }

    private(set) var routes: [Route] = []
    var middleware: [Middleware] = []
    private var literals = LiteralPaths()
    private var tree = PathTree()

    mutating func add(_ method: HTTPRequest.Method, _ path: String, _ handler: Handler) {
        let pattern: PathPattern
        do throws(PathPattern.Malformed) { pattern = try PathPattern(path) } catch { fatalError(error.description) }
        let index = routes.count
        routes.append(
            Route(
                method: method, pattern: pattern, handler: handler, name: GreenThreadName(permanent: "\(method.rawValue) \(path)")
            ))
        let added = tree.add(pattern.segments[...], index, method)
        precondition(added, "there is a route for \(method.rawValue) \(path) already")
        if pattern.isLiteral { literals.add(path, method, index) }
    }

    /// The table with its middleware put around its handlers.
    func compiled() -> RouteTable {
        var table = self
        for index in table.routes.indices {
            let name = table.routes[index].name
            for layer in middleware.reversed() {
                table.routes[index].handler = layer.wrapping(table.routes[index].handler, name: name)
            }
        }
        return table
    }

    /// A handler of the server's own, such as the one that answers 404, with the middleware around it.
    func wrapped(_ handler: Handler, name: GreenThreadName) -> Handler {
        middleware.reversed().reduce(handler) { $1.wrapping($0, name: name) }
    }

    /// Every method that some path answers, for `OPTIONS *`.
    var methods: [HTTPRequest.Method] {
        var methods = MethodMap()
        for (index, route) in routes.enumerated() { _ = methods.add(route.method, index) }
        return [methods].allowed
    }

    func match(_ head: RequestHead) -> Match {
        let method = head.method
        // Nearly every request: a literal path, compared as bytes.
        if let methods = head.withPathBytes({ literals.find($0) }), let index = methods.index(for: method) {
            return .found(index: index, PathParameters())
        }
        let segments = head.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            PercentDecoding.decode($0)
        }
        // A segment that does not decode can match nothing.
        guard head.path.first == "/", !segments.contains(nil) else { return .notFound }
        var search = PathSearch(method: method)
        _ = tree.find(segments.compactMap(\.self)[...], &search)
        if let index = search.index {
            return .found(index: index, PathParameters(names: routes[index].pattern.names, values: search.values))
        }
        return search.others.isEmpty ? .notFound : .methodNotAllowed(allowed: search.others.allowed)
    }
}
