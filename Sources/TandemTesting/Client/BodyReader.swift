internal import HTTPTypes
internal import HTTPWire

/// Decodes the body of a response (RFC 9112, 6.3).
struct BodyReader {
    private var decoder: BodyDecoder
    /// Whether the body ends with the connection.
    let endsWithConnection: Bool
    private var isDone = false

    init(_ head: ResponseHeadReader, answering method: HTTPRequest.Method) throws {
        let response = head.response
        var framing: BodyFraming?
        if method == .head || response.status.kind == .informational || [204, 304].contains(response.status.code) {
            framing = BodyFraming.none
        } else if let coding = response.headers[.transferEncoding] {
            guard coding.lowercased() == "chunked" else {
                throw TestClientError(.malformed, "Transfer-Encoding: \(coding)")
            }
            framing = .chunked
        } else if let text = response.headers[.contentLength] {
            guard let length = Int(text), length >= 0 else { throw TestClientError(.malformed, "Content-Length: \(text)") }
            framing = .length(length)
        }
        endsWithConnection = framing == nil
        decoder = BodyDecoder(framing: framing ?? .length(.max))
    }

    /// Creates a copy that is complete.
    init(done other: BodyReader) {
        self = other
        isDone = true
    }

    var isComplete: Bool { isDone || decoder.isComplete }

    var trailers: HTTPFields { decoder.trailers }

    /// Returns how many of these bytes it has used, and which of them belong to the body.
    mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> (used: Int, piece: Range<Int>?) {
        let step = try decoder.decode(bytes)
        if case .data(let range) = step.outcome { return (step.consumed, range) }
        return (step.consumed, nil)
    }
}
