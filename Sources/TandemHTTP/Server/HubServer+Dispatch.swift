internal import HTTPTypes
internal import HTTPWire
internal import Tandem

extension HubServer {
    /// The handler for a request. A request that no route takes gets one of the server's own, with the router's middleware
    /// around it as around every other.
    @inline(never)
    func dispatch(_ head: RequestHead, _ body: RequestBody) -> (Int?, Request, Handler, GreenThreadName) {
        let request = Request(head: head, body: body)
        if let refusal = refusal(of: head, body) {
            return (nil, request, own("refused") { throw refusal }, "refused")
        }
        switch routes.match(head) {
        case .found(let index, let parameters):
            let route = routes.routes[index]
            return (index, Request(head: head, parameters: parameters, body: body), route.handler, route.name)
        case .methodNotAllowed(let allowed):
            return (nil, request, methodNotAllowed(head.method, allowed), "method not allowed")
        case .notFound where head.targetForm == .asterisk:
            let allow = allowField(routes.methods)
            return (nil, request, own("OPTIONS *") { Response(status: .noContent, headers: allow) }, "OPTIONS *")
        case .notFound:
            return (nil, request, notFound, "not found")
        }
    }

    /// What is wrong with a well-formed head before any handler sees it.
    private func refusal(of head: RequestHead, _ body: RequestBody) -> HTTPError? {
        if let length = body.contentLength, length > settings.configuration.maxBodyBytes {
            body.connection.mustClose = true
            return HTTPError(
                .contentTooLarge,
                "the body of \(length) bytes is longer than the \(settings.configuration.maxBodyBytes) that this server takes")
        }
        switch head.method {
        case .get, .head, .post, .put, .delete, .patch, .options, .trace: return nil
        case .connect:
            // What follows is meant for a tunnel, and must not be read as requests.
            body.connection.mustClose = true
            return HTTPError(.notImplemented, "this server is no proxy: it opens no tunnels")
        default:
            // A method that some route answers is known here.
            guard !routes.routes.contains(where: { $0.method == head.method }) else { return nil }
            return HTTPError(.notImplemented, "this server does not know the method \(head.method.rawValue)")
        }
    }

    private func methodNotAllowed(_ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]) -> Handler {
        let allow = allowField(allowed)
        if method == .options { return own("OPTIONS") { Response(status: .noContent, headers: allow) } }
        return own("method not allowed") {
            throw HTTPError(.methodNotAllowed, "\(method.rawValue) is not allowed here", headers: allow)
        }
    }

    private func allowField(_ methods: [HTTPRequest.Method]) -> HTTPFields {
        [.allow: methods.map(\.rawValue).joined(separator: ", ")]
    }

    /// A handler of the server's own.
    private func own(_ name: GreenThreadName, _ answer: @escaping @Sendable () throws -> Response) -> Handler {
        routes.wrapped(.async { _ in try answer() }, name: name)
    }
}
