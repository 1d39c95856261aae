internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The look-up of a request's handler: that of a route, or one of the server's own, each with the router's middleware around
/// it. A class, so that its users copy a single reference.
final class Dispatcher: Sendable {
    /// The handler that answers one request.
    struct Target {
        let handler: Handler
        let name: GreenThreadName
        /// The route; nil if the server itself answers.
        var route: Route?
        var parameters = PathParameters()
        /// Whether the connection must end after this request.
        var closes = false
    }

    let routes: RouteTable
    private let notFound: Handler

    init(_ routes: RouteTable) {
        self.routes = routes
        notFound = routes.wrapped(.async { throw HTTPError(.notFound, "nothing is at \($0.path)") }, name: "not found")
    }

    /// Returns the route whose path equals the request's path byte for byte. Returns nil if no route has that path, if the body
    /// is too long, or if fast paths are off; then call `target`.
    func literalRoute(of head: RequestHead, maxBodyBytes: Int) -> Unretained<Route>? {
        guard FastPaths.isEnabled else { return nil }
        if case .length(let length) = head.framing, length > maxBodyBytes { return nil }
        return routes.literalMatch(head)
    }

    /// Returns the handler for a well-formed request whose body may have at most `maxBodyBytes`.
    func target(of head: RequestHead, maxBodyBytes: Int) -> Target {
        if let length = head.contentLength, length > maxBodyBytes {
            return refusal(
                closes: true, .contentTooLarge,
                "the body of \(length) bytes is longer than the \(maxBodyBytes) that this server takes")
        }
        // The bytes that follow are for the tunnel, and must not be read as requests.
        if head.method == .connect {
            return refusal(closes: true, .notImplemented, "this server is not a proxy: it opens no tunnels")
        }
        switch routes.match(head) {
        case .found(let route, let parameters):
            return Target(handler: route.handler, name: route.name, route: route, parameters: parameters)
        case .methodNotAllowed(let allowed) where isKnown(head.method):
            return methodNotAllowed(head.method, allowed)
        case .notFound where head.targetForm == .asterisk:
            let allow = allowField(routes.methods)
            return own("OPTIONS *") { Response(status: .noContent, headers: allow) }
        case .notFound where isKnown(head.method):
            return Target(handler: notFound, name: "not found")
        default:
            return refusal(closes: false, .notImplemented, "this server does not know the method \(head.method.rawValue)")
        }
    }

    /// Whether RFC 9110, RFC 5789 or a route knows the method.
    private func isKnown(_ method: HTTPRequest.Method) -> Bool {
        switch KnownMethod(method) {
        case .other, .connect: routes.routes.contains { $0.method == method }
        default: true
        }
    }

    private func methodNotAllowed(_ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]) -> Target {
        let allow = allowField(allowed)
        if method == .options { return own("OPTIONS") { Response(status: .noContent, headers: allow) } }
        return own("method not allowed") {
            throw HTTPError(.methodNotAllowed, "\(method.rawValue) is not allowed here", headers: allow)
        }
    }

    private func refusal(closes: Bool, _ status: HTTPResponse.Status, _ message: String) -> Target {
        var target = own("refused") { throw HTTPError(status, message) }
        target.closes = closes
        return target
    }

    private func allowField(_ methods: [HTTPRequest.Method]) -> HTTPFields {
        [.allow: methods.map(\.rawValue).joined(separator: ", ")]
    }

    private func own(_ name: GreenThreadName, _ answer: @escaping @Sendable () throws -> Response) -> Target {
        Target(handler: routes.wrapped(.async { _ in try answer() }, name: name), name: name)
    }
}
