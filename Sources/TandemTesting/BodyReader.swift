internal import HTTPTypes
internal import HTTPWire

/// Takes a response's body out of what arrives: how long it is, RFC 9112, 6.3.
struct BodyReader {
    private var decoder: BodyDecoder
    /// Its end is the connection's.
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

    /// The same, at its end.
    init(done other: BodyReader) {
        self = other
        isDone = true
    }

    var isComplete: Bool { isDone || decoder.isComplete }

    var trailers: HTTPFields { decoder.trailers }

    /// How many of these bytes were used, and which of them are body.
    mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> (used: Int, piece: Range<Int>?) {
        let step = try decoder.decode(bytes)
        if case .data(let range) = step.outcome { return (step.consumed, range) }
        return (step.consumed, nil)
    }
}
