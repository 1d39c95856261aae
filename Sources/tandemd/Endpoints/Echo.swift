internal import TandemHTTP

/// `POST echo` streams the body of the request back, as it arrives.
struct Echo {
    func addRoutes(to router: Router) {
        router.post("/blocking/echo") { request in
            let body = request.body
            return Response(
                headers: .content(ofType: request[.contentType]), contentLength: body.contentLength,
                streaming: { writer in
                    while let piece = try body.read() { try writer.write(piece) }
                })
        }
        router.post("/async/echo") { request async in
            let body = request.body
            return Response(
                headers: .content(ofType: request[.contentType]), contentLength: body.contentLength,
                streaming: { writer in
                    while let piece = try await body.read() { try await writer.write(piece) }
                })
        }
    }
}

extension HTTPFields {
    /// Returns the header fields of a response whose body the service did not create. `nosniff` stops browsers from guessing
    /// another type.
    static func content(ofType type: String?) -> HTTPFields {
        [.contentType: type ?? "application/octet-stream", .xContentTypeOptions: "nosniff"]
    }
}
