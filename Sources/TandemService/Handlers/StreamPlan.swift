internal import TandemHTTP

/// What `stream?chunks=N&bytes=B&ms=M` asks for.
struct StreamPlan: Sendable {
    /// How many chunks.
    let chunks: Int
    /// Each of them: B bytes of text, the last a line feed.
    let chunk: [UInt8]
    /// From the end of one to the start of the next.
    let pause: Duration

    /// Reads the parameters. Throws 400.
    init(_ request: Request) throws(HTTPError) {
        let parameters = try Parameters(request)
        chunks = try parameters.number("chunks", in: 0...100_000)
        let bytes = try parameters.number("bytes", in: 0...1_048_576)
        pause = try parameters.milliseconds("ms")
        chunk = bytes > 0 ? [UInt8](repeating: UInt8(ascii: "."), count: bytes - 1) + [UInt8(ascii: "\n")] : []
    }

    /// The head of the answer.
    let headers: HTTPFields = [.contentType: "text/plain; charset=utf-8"]
}
