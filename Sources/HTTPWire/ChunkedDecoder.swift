public import HTTPTypes

/// A decoder for a chunked body (RFC 9112 section 7.1). ``BodyDecoder`` uses it.
///
/// The caller passes bytes as they arrive, in pieces of any size. The decoder copies none of them except an incomplete trailer
/// section.
public struct ChunkedDecoder: Sendable {
    private enum Phase { case size, sizeExtension, sizeLineFeed, data, dataReturn, dataLineFeed, trailers, done }

    private let limits: HTTPWireLimits
    private let message: HTTPParseError.Message
    private var phase = Phase.size
    private var sizeDigits = 0
    /// While the size is read, its value so far; after that, the bytes of the chunk's content that are still to come.
    private var remaining = 0
    private var chunkExtension = ChunkExtensionScanner()
    private var trailerScanner: FieldScanner
    /// The part of the trailer section that has arrived; empty if the section arrives in one piece.
    private var trailerBytes: [UInt8] = []

    /// The trailer fields that followed the last chunk; empty until the body is complete. Fields that are valid only in the
    /// header are left out (RFC 9110 section 6.5.1).
    public private(set) var trailers = HTTPFields()

    /// Creates a decoder for the body of one request.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.init(limits: limits, message: .request)
    }

    init(limits: HTTPWireLimits, message: HTTPParseError.Message) {
        self.limits = limits
        self.message = message
        trailerScanner = FieldScanner(start: 0, sectionBytes: limits.trailerBytes, acceptsFolds: message == .response)
    }

    /// The error that ended the decoding. The scanners cannot continue after an error, because they have scanned bytes that
    /// were not consumed.
    private var failure: HTTPParseError?

    /// Whether the decoder has consumed the whole body, including the last chunk and the trailers.
    public var isComplete: Bool { phase == .done }

    /// Consumes bytes up to the next piece of content, the end of the body or the end of `bytes`.
    ///
    /// - Parameter bytes: The bytes of the connection that follow those consumed so far.
    /// - Throws: ``HTTPParseError`` at the first byte that is malformed or exceeds a limit. Each later call throws the same
    ///   error, because nothing further can be parsed from this connection.
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

    /// Reads a byte of the chunk size: hexadecimal digits only, without a sign, `0x` or whitespace.
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

    /// Reads the trailer section as far as it has arrived. Returns how many of `bytes` belong to it.
    private mutating func readTrailers(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Int {
        if trailerBytes.isEmpty {
            if try scanTrailers(bytes) { return trailerScanner.position }
        }
        // One byte more than the limit is enough: the scanner refuses the byte after the limit.
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

    /// Scans the new bytes in `bytes`, which starts at the start of the section. Returns whether the section is complete.
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
        // The initializer returns nil only if the name is not a token, and the scanner has checked that.
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
