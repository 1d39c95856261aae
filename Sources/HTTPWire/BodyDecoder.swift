public import HTTPTypes

/// What one call of a body decoder did.
public struct BodyStep: Sendable, Hashable {
    /// What the consumed bytes come to.
    public enum Outcome: Sendable, Hashable {
        /// Content: this range of the bytes passed in, never empty, ending where the consumed bytes end.
        case data(Range<Int>)
        /// All bytes are consumed and the body has not ended.
        case needMore
        /// The body has ended. What follows the consumed bytes is the next message.
        case end
    }

    /// How many of the bytes passed in are done with; they are not to be passed in again.
    public let consumed: Int
    /// What the consumed bytes come to.
    public let outcome: Outcome
}

/// Takes the body of a request or a response out of the bytes of a connection, whatever its framing (RFC 9112 section 6).
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
    /// Bytes still to come, without chunks.
    private var remaining: Int
    /// One with chunks, else none. In an array, because its state is large and most bodies have no use for it.
    private var chunks: [ChunkedDecoder] = []

    /// A decoder for the one body that follows a head. Without chunks, only the length counts and no limit applies.
    public init(framing: BodyFraming, limits: HTTPWireLimits = HTTPWireLimits()) {
        switch framing {
        case .none: remaining = 0
        case .length(let length): remaining = length
        case .chunked: (remaining, chunks) = (0, [ChunkedDecoder(limits: limits)])
        }
    }

    // Else a literal such as `.chunked` would be ambiguous.
    /// A decoder for the one body that follows the head of a response.
    ///
    /// A body that ends with the connection never is complete: all bytes are content, and the caller sees the connection end.
    @_disfavoredOverload
    public init(framing: ResponseBodyFraming, limits: HTTPWireLimits = HTTPWireLimits()) {
        switch framing {
        case .none: remaining = 0
        case .length(let length): remaining = length
        case .chunked: (remaining, chunks) = (0, [ChunkedDecoder(limits: limits, message: .response)])
        case .untilClose: remaining = .max  // More than any connection carries.
        }
    }

    /// Whether the whole body has been consumed. A connection that closes before has cut the body short.
    public var isComplete: Bool { chunks.isEmpty ? remaining == 0 : chunks[0].isComplete }

    /// The fields after the last chunk, once the body is complete. Those that are valid in the header only are left out.
    public var trailers: HTTPFields { chunks.isEmpty ? [:] : chunks[0].trailers }

    /// Consumes bytes up to the next piece of content, the end of the body or the end of `bytes`.
    ///
    /// - Parameter bytes: What follows the bytes consumed so far.
    /// - Throws: What is wrong with a chunk, and the same error at each later call: nothing further can be parsed from this
    ///   connection.
    public mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> BodyStep {
        if !chunks.isEmpty { return try chunks[0].decode(bytes) }
        guard remaining > 0 else { return BodyStep(consumed: 0, outcome: .end) }
        let count = min(remaining, bytes.byteCount)
        remaining -= count
        return BodyStep(consumed: count, outcome: count == 0 ? .needMore : .data(0..<count))
    }
}
