/// A scanner for the request line (RFC 9112 section 3) and at most one empty line before it (section 2.2). It can stop after
/// any byte and continue there, so it scans no byte twice.
struct RequestLineScanner: Sendable {
    private enum Phase { case first, emptyLine, method, target, version, lineEnd, lineFeed, done }

    private var phase = Phase.first
    /// The next byte to scan.
    private(set) var position = 0
    /// The offset at which the line starts: 0, or 2 after an empty line.
    private(set) var start = 0
    /// The offsets of the space after the method and of the space after the target.
    private(set) var methodEnd = 0
    private(set) var targetEnd = 0
    /// The offset of the first `?` in the target; 0 without a `?`.
    private(set) var query = 0
    /// The number of hexadecimal digits that must follow because of a `%`.
    private var pendingHexDigits = 0
    private(set) var version = HTTPVersion.http11

    /// Whether the scanner has seen a byte of the request line itself.
    var hasStarted: Bool { position > start && phase != .emptyLine }

    /// Scans to the end of the request line, and returns whether the line is complete. `bytes` holds all bytes of the previous
    /// call, and any that have arrived since.
    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool {
        // The phases follow in this order. A whole line passes through all of them in one call.
        if phase == .first, position < bytes.count { startLine(with: bytes[position]) }
        if phase == .emptyLine, position < bytes.count {
            try expectLineFeed(bytes[position])
            start = position
            phase = .method
        }
        let limit = HeadLimits.end(of: limits.requestLine, from: start)
        if phase == .method { try scanMethod(in: bytes, limit: limit) }
        if phase == .target { try scanTarget(in: bytes, limit: limit) }
        if phase == .version { try scanVersion(in: bytes, limit: limit) }
        if phase == .lineEnd, position < bytes.count { try endLine(with: bytes[position], limit: limit) }
        if phase == .lineFeed, position < bytes.count {
            try expectLineFeed(bytes[position])
            phase = .done
        }
        return phase == .done
    }

    private mutating func startLine(with byte: UInt8) {
        if byte == .carriageReturn {
            position += 1
            phase = .emptyLine
        } else {
            phase = .method
        }
    }

    @inline(__always)
    private mutating func scanMethod(in bytes: Span<UInt8>, limit: Int) throws(HTTPParseError) {
        let end = min(limit, bytes.count)
        let token = ByteSet.token
        while position < end, token.contains(bytes[position]) { position &+= 1 }
        guard position < bytes.count else { return }
        guard position < limit else { throw HTTPParseError(.requestLineTooLong) }
        switch bytes[position] {
        case .space where position > start:
            methodEnd = position
            position += 1
            phase = .target
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidMethod)
        }
    }

    @inline(__always)
    private mutating func scanTarget(in bytes: Span<UInt8>, limit: Int) throws(HTTPParseError) {
        let end = min(limit, bytes.count)
        let plain = ByteSet.plainTarget
        while position < end {
            let byte = bytes[position]
            if pendingHexDigits > 0 {
                guard byte.hexDigitValue != nil else { throw HTTPParseError(.invalidPercentEncoding) }
                pendingHexDigits -= 1
            } else if !plain.contains(byte) {
                switch byte {
                case UInt8(ascii: "%"): pendingHexDigits = 2
                case UInt8(ascii: "?"): if query == 0 { query = position }
                // Accepted in a query, where browsers send it and it has no meaning. Refused in a path, where some recipients
                // take it for a slash.
                case UInt8(ascii: "\\") where query > 0: break
                case .space where position > methodEnd + 1:
                    targetEnd = position
                    position += 1
                    phase = .version
                    return
                case .carriageReturn: throw HTTPParseError(.missingVersion)
                case .lineFeed: throw HTTPParseError(.bareLineFeed)
                default: throw HTTPParseError(.invalidTarget)
                }
            }
            position &+= 1
        }
        guard position < limit || position == bytes.count else { throw HTTPParseError(.requestLineTooLong) }
    }

    /// Scans the version: `HTTP/`, a digit, `.`, and a digit.
    @inline(__always)
    private mutating func scanVersion(in bytes: Span<UInt8>, limit: Int) throws(HTTPParseError) {
        let versionStart = targetEnd + 1
        while position < bytes.count, position < versionStart + 8 {
            guard position < limit else { throw HTTPParseError(.requestLineTooLong) }
            let byte = bytes[position]
            let isRight: Bool
            switch position - versionStart {
            case 0: isRight = byte == UInt8(ascii: "H")
            case 1, 2: isRight = byte == UInt8(ascii: "T")
            case 3: isRight = byte == UInt8(ascii: "P")
            case 4: isRight = byte == UInt8(ascii: "/")
            case 6: isRight = byte == UInt8(ascii: ".")
            default: isRight = byte.isDigit
            }
            guard isRight else {
                throw HTTPParseError(byte == .lineFeed ? .bareLineFeed : .invalidVersion)
            }
            position &+= 1
        }
        guard position == versionStart + 8 else { return }
        switch (bytes[position - 3], bytes[position - 1]) {
        case (UInt8(ascii: "1"), UInt8(ascii: "1")): version = .http11
        case (UInt8(ascii: "1"), UInt8(ascii: "0")): version = .http10
        default: throw HTTPParseError(.unsupportedVersion)
        }
        phase = .lineEnd
    }

    private mutating func endLine(with byte: UInt8, limit: Int) throws(HTTPParseError) {
        switch byte {
        // The limit does not count the CRLF, so the CR may be at the limit.
        case .carriageReturn: position += 1
        case _ where position >= limit: throw HTTPParseError(.requestLineTooLong)
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidVersion)
        }
        phase = .lineFeed
    }

    private mutating func expectLineFeed(_ byte: UInt8) throws(HTTPParseError) {
        guard byte == .lineFeed else { throw HTTPParseError(.bareCarriageReturn) }
        position += 1
    }
}
