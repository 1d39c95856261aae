public import HTTPTypes

/// The result of one call of a body decoder.
public struct BodyStep: Sendable, Hashable {
    /// What the decoder found in the consumed bytes.
    public enum Outcome: Sendable, Hashable {
        /// Content of the body: a non-empty range of the bytes that were passed in. It ends where the consumed bytes end.
        case data(Range<Int>)
        /// The decoder has consumed all bytes, and the body has not ended.
        case needMore
        /// The body has ended. The next message starts after the consumed bytes.
        case end
    }

    /// The number of bytes that the decoder has consumed, from the start of those passed in. Do not pass them in again.
    public let consumed: Int
    /// What the decoder found in the consumed bytes.
    public let outcome: Outcome
}

/// A decoder that extracts the body of a request or a response from the bytes of a connection, by any framing (RFC 9112 section
/// 6).
///
///     var decoder = BodyDecoder(framing: head.framing)
///     reading: while true {
///         let step = try decoder.decode(buffer.span.bytes)
///         if case .data(let range) = step.outcome { consume(buffer[range]) }
///         buffer.removeFirst(step.consumed)
///         switch step.outcome {
///         case .data: continue
///         case .needMore: try receive(into: &buffer)
///         case .end: break reading
///         }
///     }
public struct BodyDecoder: Sendable {
    /// The bytes of the body that are still to come. Not used for a chunked body.
    private var remaining: Int
    /// The decoder of a chunked body; empty for any other body. It is in an array because its state is large and most bodies do
    /// not need it.
    private var chunks: [ChunkedDecoder] = []

    /// Creates a decoder for the body of one request. The limits apply to a chunked body only.
    public init(framing: BodyFraming, limits: HTTPWireLimits = HTTPWireLimits()) {
        switch framing {
        case .none: remaining = 0
        case .length(let length): remaining = length
        case .chunked: (remaining, chunks) = (0, [ChunkedDecoder(limits: limits)])
        }
    }

    // Disfavored: otherwise a literal such as `.chunked` would be ambiguous.
    /// Creates a decoder for the body of one response. The limits apply to a chunked body only.
    ///
    /// With ``ResponseBodyFraming/untilClose`` all bytes are content and the decoder never reports the end of the body: the
    /// caller sees the connection end.
    @_disfavoredOverload
    public init(framing: ResponseBodyFraming, limits: HTTPWireLimits = HTTPWireLimits()) {
        switch framing {
        case .none: remaining = 0
        case .length(let length): remaining = length
        case .chunked: (remaining, chunks) = (0, [ChunkedDecoder(limits: limits, message: .response)])
        case .untilClose: remaining = .max  // More than any connection carries.
        }
    }

    /// Whether the decoder has consumed the whole body. If the connection closes while this is false, the body is truncated.
    public var isComplete: Bool { chunks.isEmpty ? remaining == 0 : chunks[0].isComplete }

    /// The trailer fields that followed the last chunk; empty until the body is complete. Fields that are valid only in the
    /// header are left out (RFC 9110 section 6.5.1).
    public var trailers: HTTPFields { chunks.isEmpty ? [:] : chunks[0].trailers }

    /// Consumes bytes up to the next piece of content, the end of the body or the end of `bytes`.
    ///
    /// - Parameter bytes: The bytes of the connection that follow those consumed so far.
    /// - Throws: ``HTTPParseError`` if a chunk or a trailer is malformed or exceeds a limit. Each later call throws the same
    ///   error, because nothing further can be parsed from this connection.
    public mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> BodyStep {
        if !chunks.isEmpty { return try chunks[0].decode(bytes) }
        guard remaining > 0 else { return BodyStep(consumed: 0, outcome: .end) }
        let count = min(remaining, bytes.byteCount)
        remaining -= count
        return BodyStep(consumed: count, outcome: count == 0 ? .needMore : .data(0..<count))
    }
}
