/// A scanner for the status line (RFC 9112 section 4). It can stop after any byte and continue there, so it scans no byte twice.
struct StatusLineScanner: Sendable {
    private enum Phase { case versionAndStatus, statusEnd, reason, lineFeed, done }

    private var phase = Phase.versionAndStatus
    /// The next byte to scan.
    private(set) var position = 0
    private(set) var version = HTTPVersion.http11
    private(set) var status: UInt16 = 0
    /// The reason phrase; empty if no space follows the status.
    private(set) var reason = ByteRange(0, 0)

    /// Scans to the end of the status line, and returns whether the line is complete. `bytes` holds all bytes of the previous
    /// call, and any that have arrived since.
    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool {
        // The phases follow in this order. A whole line passes through all of them in one call.
        let limit = limits.requestLine
        if phase == .versionAndStatus { try scanVersionAndStatus(in: bytes, limit: limit) }
        if phase == .statusEnd, position < bytes.count { try endStatus(with: bytes[position], limit: limit) }
        if phase == .reason { try scanReason(in: bytes, limit: limit) }
        if phase == .lineFeed, position < bytes.count {
            guard bytes[position] == .lineFeed else { throw HTTPParseError(.bareCarriageReturn) }
            position += 1
            phase = .done
        }
        return phase == .done
    }

    /// Scans `HTTP/1.`, the minor version, a space and three digits: 12 bytes, each checked as it arrives.
    @inline(__always)
    private mutating func scanVersionAndStatus(in bytes: Span<UInt8>, limit: Int) throws(HTTPParseError) {
        while position < 12 {
            guard position < bytes.count else { return }
            guard position < limit else { throw HTTPParseError(.statusLineTooLong) }
            let byte = bytes[position]
            let isRight: Bool
            switch position {
            case 0: isRight = byte == UInt8(ascii: "H")
            case 1, 2: isRight = byte == UInt8(ascii: "T")
            case 3: isRight = byte == UInt8(ascii: "P")
            case 4: isRight = byte == UInt8(ascii: "/")
            case 5, 7: isRight = try readVersion(byte)
            case 6: isRight = byte == UInt8(ascii: ".")
            case 8: isRight = byte == .space
            default: isRight = readStatus(byte)
            }
            guard isRight else { throw HTTPParseError(.invalidStatusLine) }
            position &+= 1
        }
        phase = .statusEnd
    }

    /// Reads the digit of the major or the minor version.
    private mutating func readVersion(_ byte: UInt8) throws(HTTPParseError) -> Bool {
        switch byte {
        case UInt8(ascii: "1"): version = .http11
        case UInt8(ascii: "0") where position == 7: version = .http10
        default:
            guard byte.isDigit else { return false }
            throw HTTPParseError(.unsupportedVersion)
        }
        return true
    }

    /// Reads a digit of the status. The first is 1 to 5, because no other classes are defined (RFC 9110 section 15).
    private mutating func readStatus(_ byte: UInt8) -> Bool {
        guard byte.isDigit, position > 9 || (UInt8(ascii: "1")...UInt8(ascii: "5")).contains(byte) else { return false }
        status = status * 10 + UInt16(byte - UInt8(ascii: "0"))
        return true
    }

    /// Reads the byte after the status. Many servers omit the space that should come before an empty reason.
    private mutating func endStatus(with byte: UInt8, limit: Int) throws(HTTPParseError) {
        switch byte {
        // The limit does not count the CRLF, so the CR may be at the limit.
        case .carriageReturn: phase = .lineFeed
        case _ where position >= limit: throw HTTPParseError(.statusLineTooLong)
        case .space: phase = .reason
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidStatusLine)
        }
        position += 1
    }

    @inline(__always)
    private mutating func scanReason(in bytes: Span<UInt8>, limit: Int) throws(HTTPParseError) {
        while true {
            position = bytes.firstControl(from: position, to: min(limit, bytes.count))
            guard position < bytes.count else { return }
            switch bytes[position] {
            case .carriageReturn:
                reason = ByteRange(13, position)
                position += 1
                phase = .lineFeed
                return
            case _ where position >= limit: throw HTTPParseError(.statusLineTooLong)
            case .tab: position += 1
            case .lineFeed: throw HTTPParseError(.bareLineFeed)
            default: throw HTTPParseError(.invalidStatusLine)
            }
        }
    }
}
