internal import Tandem
internal import TandemHTTP

/// `stream?chunks=N&bytes=B&ms=M` streams N chunks of B bytes, M milliseconds apart.
struct Stream {
    func addRoutes(to router: Router) {
        router.get("/blocking/stream") { request in
            let plan = try Plan(request)
            return Response(
                headers: Plan.headers,
                streaming: { writer in
                    for index in 0..<plan.chunks {
                        if index > 0 { try sleep(for: plan.pause) }
                        try writer.write(plan.chunk)
                    }
                })
        }
        router.get("/async/stream") { request async throws in
            let plan = try Plan(request)
            return Response(
                headers: Plan.headers,
                streaming: { writer in
                    for index in 0..<plan.chunks {
                        if index > 0 { try await sleep(for: plan.pause) }
                        try await writer.write(plan.chunk)
                    }
                })
        }
    }

    /// The parameters of a request.
    struct Plan: Sendable {
        static let headers: HTTPFields = [.contentType: "text/plain; charset=utf-8"]

        let chunks: Int
        /// B bytes of text, of which the last is a line feed.
        let chunk: [UInt8]
        /// The time from the end of one chunk to the start of the next.
        let pause: Duration

        /// Reads the parameters. Throws 400.
        init(_ request: Request) throws(HTTPError) {
            let query = try request.query
            chunks = try query.value("chunks", in: 0...100_000)
            let bytes = try query.value("bytes", as: Int.self, in: 0...1_048_576)
            pause = .milliseconds(try query.value("ms", as: Int.self, in: 0...600_000))
            chunk = bytes > 0 ? [UInt8](repeating: UInt8(ascii: "."), count: bytes - 1) + [UInt8(ascii: "\n")] : []
        }
    }
}
