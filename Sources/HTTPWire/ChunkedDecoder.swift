public import HTTPTypes

/// Takes a chunked body apart (RFC 9112 section 7.1). ``BodyDecoder`` uses it.
///
/// It is pushed bytes as they arrive, in pieces of any size, and keeps none of them but an unfinished trailer section.
public struct ChunkedDecoder: Sendable {
    private enum Phase { case size, sizeExtension, sizeLineFeed, data, dataReturn, dataLineFeed, trailers, done }

    private let limits: HTTPWireLimits
    private let message: HTTPParseError.Message
    private var phase = Phase.size
    private var sizeDigits = 0
    /// The chunk's size as far as it is read, then the bytes of content that are still to come.
    private var remaining = 0
    private var chunkExtension = ChunkExtensionScanner()
    private var trailerScanner: FieldScanner
    /// The trailer section as far as it was received, when it did not arrive in one piece.
    private var trailerBytes: [UInt8] = []

    /// The fields after the last chunk, once the body is complete. Those that are valid in the header only are left out.
    public private(set) var trailers = HTTPFields()

    /// A decoder for the body of one request.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.init(limits: limits, message: .request)
    }

    init(limits: HTTPWireLimits, message: HTTPParseError.Message) {
        self.limits = limits
        self.message = message
        trailerScanner = FieldScanner(start: 0, sectionBytes: limits.trailerBytes, acceptsFolds: message == .response)
    }

    /// The error that ended the decoding. The scanners have passed bytes that were never consumed, so they cannot go on.
    private var failure: HTTPParseError?

    /// Whether the last chunk and the trailers have been consumed.
    public var isComplete: Bool { phase == .done }

    /// Consumes bytes up to the next piece of content, the end of the body or the end of `bytes`.
    ///
    /// - Parameter bytes: What follows the bytes consumed so far.
    /// - Throws: What is wrong, as soon as it is seen, and the same error at each later call: nothing further can be parsed from
    ///   this connection.
    public mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> BodyStep {
        if let failure { throw failure }
        do throws(HTTPParseError) {
            return try bytes.withBytes { bytes throws(HTTPParseError) in try decode(bytes) }
        } catch {
            let failure = HTTPParseError(error.code, in: message)
            self.failure = failure
            throw failure
        }
    }

    private mutating func decode(_ bytes: Span<UInt8>) throws(HTTPParseError) -> BodyStep {
        var index = 0
        while index < bytes.count, phase != .done {
            let byte = bytes[index]
            switch phase {
            case .size: try readSize(byte)
            case .sizeExtension: try readExtension(byte)
            case .sizeLineFeed:
                guard byte == .lineFeed else { throw HTTPParseError(.bareCarriageReturn) }
                phase = remaining == 0 ? .trailers : .data
            case .data:
                let count = min(remaining, bytes.count - index)
                remaining -= count
                if remaining == 0 { phase = .dataReturn }
                return BodyStep(consumed: index + count, outcome: .data(index..<(index + count)))
            case .dataReturn:
                guard byte == .carriageReturn else { throw HTTPParseError(.missingChunkEnd) }
                phase = .dataLineFeed
            case .dataLineFeed:
                guard byte == .lineFeed else { throw HTTPParseError(.missingChunkEnd) }
                phase = .size
                sizeDigits = 0
            case .trailers:
                index += try readTrailers(bytes.extracting(index..<bytes.count))
                continue
            case .done: break
            }
            index &+= 1
        }
        return BodyStep(consumed: index, outcome: phase == .done ? .end : .needMore)
    }

    /// Hexadecimal digits only: no sign, no `0x`, no whitespace.
    private mutating func readSize(_ byte: UInt8) throws(HTTPParseError) {
        if let digit = byte.hexDigitValue {
            guard sizeDigits < limits.chunkSizeDigits, remaining <= Int.max >> 4 else { throw HTTPParseError(.chunkSizeTooLarge) }
            sizeDigits += 1
            remaining = remaining << 4 | Int(digit)
            return
        }
        switch byte {
        case .carriageReturn where sizeDigits > 0: phase = .sizeLineFeed
        case UInt8(ascii: ";") where sizeDigits > 0:
            phase = .sizeExtension
            try chunkExtension.start(limits: limits)
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidChunkSize)
        }
    }

    private mutating func readExtension(_ byte: UInt8) throws(HTTPParseError) {
        if try chunkExtension.readsEnd(byte, limits: limits) { phase = .sizeLineFeed }
    }

    /// Reads as much of the trailer section as there is, and returns how many of `bytes` belong to it.
    private mutating func readTrailers(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Int {
        if trailerBytes.isEmpty {
            if try scanTrailers(bytes) { return trailerScanner.position }
        }
        // More than the limit and one byte need not be kept: the scanner refuses the byte after the limit.
        let kept = trailerBytes.count
        let count = min(bytes.count, trailerScanner.sectionEnd + 1 - kept)
        trailerBytes.append(bytes.extracting(0..<count))
        guard kept > 0 else { return bytes.count }
        let buffer = trailerBytes
        trailerBytes = []
        if try scanTrailers(buffer.span) { return trailerScanner.position - kept }
        trailerBytes = buffer
        return bytes.count
    }

    /// Scans what is new in `bytes`, which start where the section does, and says whether the section is complete.
    private mutating func scanTrailers(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Bool {
        while true {
            switch try trailerScanner.next(in: bytes, limits: HeadLimits(limits)) {
            case .needMore: return false
            case .field(let entry): try note(entry, in: bytes)
            case .end:
                phase = .done
                return true
            }
        }
    }

    private mutating func note(_ entry: FieldEntry, in bytes: Span<UInt8>) throws(HTTPParseError) {
        // The scanner has checked that the name is a token, which is all that the initialiser asks for.
        let name = HTTPField.Name(bytes.extracting(entry.name.range).text)!
        let value = bytes.extracting(entry.value.range)
        switch TrailerUse(of: name, in: message) {
        case .kept:
            let isFolded = trailerScanner.isFolded
            trailers.append(isFolded ? HTTPField(name, bytes: value.unfolded.span) : HTTPField(name, bytes: value))
        case .dropped: break
        case .refused: throw HTTPParseError(.forbiddenTrailer)
        }
    }
}
