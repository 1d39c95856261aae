internal import HTTPWire
internal import Tandem

/// What a connection has received and not yet used.
struct InputBuffer {
    /// What looking for more came to.
    enum Received { case some, nothing, end }

    private var bytes: [UInt8] = []
    private var start = 0

    var isEmpty: Bool { start == bytes.count }

    /// Takes in what has arrived, without waiting.
    mutating func receive(from transport: Transport, _ pool: BufferPool) throws(TandemError) -> Received {
        if isEmpty {
            // Until something arrives, the connection holds no buffer.
            pool.takeBack(&bytes)
        } else if start > 0 {
            bytes.removeFirst(start)
        }
        start = 0
        return switch try pool.receive(from: transport, into: &bytes) {
        case nil: .nothing
        case 0: .end
        default: .some
        }
    }

    /// Takes the next head out, once it is complete.
    mutating func parse(_ parser: inout RequestHeadParser) throws(HTTPParseError) -> RequestHead? {
        guard let head = try parser.parse(bytes.span.bytes.extracting(start..<bytes.count)) else { return nil }
        start += head.byteCount
        return head
    }

    /// Takes the next piece of a body out.
    mutating func decode(_ decoder: inout BodyDecoder) throws(HTTPParseError) -> (BodyStep, [UInt8]) {
        let step = try decoder.decode(bytes.span.bytes.extracting(start..<bytes.count))
        var piece: [UInt8] = []
        if case .data(let range) = step.outcome {
            piece = Array(bytes[(start + range.lowerBound)..<(start + range.upperBound)])
        }
        start += step.consumed
        return (step, piece)
    }

    mutating func release(to pool: BufferPool) {
        pool.takeBack(&bytes)
        start = 0
    }
}
