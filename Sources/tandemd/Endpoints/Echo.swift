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
