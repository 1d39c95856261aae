internal import HTTPTypes
internal import HTTPWire
internal import Tandem

extension HubServer {
    /// The handler for a request. A request that no route takes gets the server's own.
    func dispatch(_ head: RequestHead, _ body: RequestBody) -> (Int?, Request, Handler, GreenThreadName) {
        let request = Request(head: head, body: body)
        if let refusal = refusal(of: head, body) {
            return (nil, request, .async { _ in throw refusal }, "refused")
        }
        switch routes.match(head) {
        case .found(let index, let parameters):
            let route = routes.routes[index]
            return (index, Request(head: head, parameters: parameters, body: body), route.handler, route.name)
        case .methodNotAllowed(let allowed):
            return (nil, request, methodNotAllowed(head.method, allowed), "method not allowed")
        case .notFound where head.targetForm == .asterisk:
            return (nil, request, .async { _ in Response(status: .noContent) }, "OPTIONS *")
        case .notFound:
            return (nil, request, notFound, "not found")
        }
    }

    /// What is wrong with a well-formed head before any handler sees it.
    private func refusal(of head: RequestHead, _ body: RequestBody) -> HTTPError? {
        if let length = body.contentLength, length > configuration.maxBodyBytes {
            body.connection.mustClose = true
            return HTTPError(
                .contentTooLarge,
                "the body of \(length) bytes is longer than the \(configuration.maxBodyBytes) that this server takes")
        }
        switch head.method {
        case .get, .head, .post, .put, .delete, .patch, .options, .trace: return nil
        default:
            // A method that some route answers is known here.
            guard !routes.routes.contains(where: { $0.method == head.method }) else { return nil }
            return HTTPError(.notImplemented, "this server does not know the method \(head.method.rawValue)")
        }
    }

    private func methodNotAllowed(_ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]) -> Handler {
        let allow: HTTPFields = [.allow: allowed.map(\.rawValue).joined(separator: ", ")]
        if method == .options { return .async { _ in Response(status: .noContent, headers: allow) } }
        return routes.wrapped(
            .async { _ in throw HTTPError(.methodNotAllowed, "\(method.rawValue) is not allowed here", headers: allow) },
            name: "method not allowed")
    }
}
