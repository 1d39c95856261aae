/// The routes, by path and method. GET also answers HEAD.
final class Router {
    typealias Handler = @Sendable (Request) throws -> Response

    private var routes: [(method: String, pattern: [Substring], handler: Handler)] = []

    /// Adds a route. A segment in braces matches any text.
    func on(_ method: String, _ path: String, _ handler: @escaping Handler) {
        routes.append((method, path.split(separator: "/", omittingEmptySubsequences: false), handler))
    }

    /// Calls the handler of a request.
    func find(_ request: Request) throws -> Response {
        let segments = request.path.split(separator: "/", omittingEmptySubsequences: false)
        var allowed: [String] = []
        for route in routes where route.pattern.count == segments.count {
            let pairs = zip(route.pattern, segments)
            guard pairs.allSatisfy({ $0.hasPrefix("{") ? !$1.isEmpty : $0 == $1 }) else { continue }
            allowed.append(route.method)
            if route.method == "GET" { allowed.append("HEAD") }
            guard allowed.contains(request.method) else { continue }
            var request = request
            for (name, value) in pairs where name.hasPrefix("{") {
                request.parameters[String(name.dropFirst().dropLast())] = String(value)
            }
            return try route.handler(request)
        }
        guard allowed.isEmpty else {
            throw HTTPError(405, "\(request.method) is not allowed here", headers: [("Allow", allowed.joined(separator: ", "))])
        }
        throw HTTPError(404, "nothing is at \(request.path)")
    }
}
