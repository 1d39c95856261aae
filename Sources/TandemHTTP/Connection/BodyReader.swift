internal import HTTPTypes
internal import HTTPWire

/// Takes one request's body off the wire: its framing and its limit.
struct BodyReader {
    /// Whether it reads no body.
    let isEmpty: Bool
    private let limit: Int
    private let contentLength: Int?
    private var decoder: BodyDecoder
    /// Bytes read so far, without the framing of chunks.
    private(set) var received = 0
    /// The client waits for 100 Continue before it sends the body.
    var owesContinue: Bool

    /// A reader of no body.
    init() {
        isEmpty = true
        limit = 0
        contentLength = 0
        decoder = BodyDecoder(framing: .none)
        owesContinue = false
    }

    /// A reader of the body that follows `head`, which says that there is one.
    init(_ head: RequestHead, _ settings: ConnectionSettings) {
        isEmpty = false
        limit = settings.maxBodyBytes
        contentLength = head.contentLength
        decoder = BodyDecoder(framing: head.framing, limits: settings.wireLimits)
        owesContinue = head.expectsContinue
    }

    /// Whether all of it has been read.
    var isComplete: Bool { decoder.isComplete }

    /// Bytes that are announced and not read; nil when chunked.
    var remaining: Int? { contentLength.map { $0 - received } }

    /// Takes the next piece that has arrived. Throws `HTTPError` (400, 413), or `TandemError` when the transport fails.
    mutating func next(from wire: Wire) throws -> BodyPiece {
        let arrival: Wire.Arrival<[UInt8]?>
        do {
            arrival = try wire.nextPiece(&decoder)
        } catch let error as HTTPParseError {
            throw HTTPError(.init(code: error.status), error.reason)
        }
        switch arrival {
        case .value(let piece?):
            received += piece.count
            guard received <= limit else {
                throw HTTPError(.contentTooLarge, "the body is longer than the \(limit) bytes that this server takes")
            }
            return .bytes(piece)
        case .value(nil): return .end
        case .nothing: return .needsMore
        case .end: throw HTTPError(.badRequest, "the client ended the connection in the middle of the body")
        }
    }

    /// Drops what has arrived, at most about `most` bytes. Returns whether the body is complete then.
    mutating func dropArrived(upTo most: Int, from wire: Wire) -> Bool {
        let end = received + most
        while received <= end {
            switch try? next(from: wire) {
            case .bytes: continue
            case .end: return true
            default: return false
            }
        }
        return false
    }
}
