/// Finds the field lines of a header or trailer section, one at a time, and refuses what RFC 9112 section 5 lets a recipient
/// refuse. It can stop after any byte and go on where it was, so that no byte is scanned twice.
struct FieldScanner: Sendable {
    enum Event {
        /// All bytes are scanned and the section has not ended.
        case needMore
        /// A field line has ended.
        case field(FieldEntry)
        /// The empty line has ended the section just before ``FieldScanner/position``.
        case end
    }

    private enum Phase { case lineStart, name, value, lineFeed, lineEnd, finalLineFeed, done }

    /// The next byte to scan.
    private(set) var position: Int
    private var lineStart: Int
    private var colon = 0
    private var fieldCount = 0
    private var phase = Phase.lineStart
    private let acceptsFolds: Bool
    /// Whether the field found last continues over several lines. Then its value holds their ends.
    private(set) var isFolded = false
    /// The first offset at which the section is too large.
    let sectionEnd: Int

    /// A scanner for the section that starts at `start`, with at most `sectionBytes`.
    ///
    /// If it accepts folds, a line that starts with a blank continues the field before it (RFC 9112 section 5.2), and the limit
    /// for a line applies to all lines of the field together.
    init(start: Int, sectionBytes: Int, acceptsFolds: Bool = false) {
        position = start
        self.acceptsFolds = acceptsFolds
        lineStart = start
        sectionEnd = HeadLimits.end(of: sectionBytes, from: start)
    }

    /// Scans to the end of the next field line. `bytes` holds all bytes that were there at the call before, and more.
    mutating func next(in bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Event {
        // The phases of a line come in this order, and a whole line passes through all of them at once.
        if phase == .lineStart, try hasByte(bytes) { try startLine(with: bytes[position], limits: limits) }
        if phase == .name { try scanName(in: bytes, limits: limits) }
        repeat {
            if phase == .value { try scanValue(in: bytes, limits: limits) }
            if phase == .lineFeed || phase == .finalLineFeed, try hasByte(bytes) { try readLineFeed(bytes[position]) }
            if phase == .done { return .end }
            guard phase == .lineEnd else { return .needMore }
            // Only the byte after the line tells whether the field continues.
            if acceptsFolds { guard try hasByte(bytes) else { return .needMore } }
        } while acceptsFolds && startsFold(with: bytes[position])
        phase = .lineStart
        fieldCount += 1
        return .field(entry(in: bytes))
    }

    @inline(__always)
    private mutating func readLineFeed(_ byte: UInt8) throws(HTTPParseError) {
        guard byte == .lineFeed else { throw HTTPParseError(.bareCarriageReturn) }
        position += 1
        phase = phase == .finalLineFeed ? .done : .lineEnd
    }

    private mutating func startsFold(with byte: UInt8) -> Bool {
        guard byte.isBlank else { return false }
        isFolded = true
        phase = .value
        return true
    }

    /// Whether there is a byte to scan. If it is one too many for the section, that is an error.
    @inline(__always)
    private func hasByte(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Bool {
        guard position < bytes.count else { return false }
        guard position < sectionEnd else { throw HTTPParseError(.fieldSectionTooLarge) }
        return true
    }

    @inline(__always)
    private mutating func startLine(with byte: UInt8, limits: HeadLimits) throws(HTTPParseError) {
        switch byte {
        case .carriageReturn:
            position += 1
            phase = .finalLineFeed
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        case .space, .tab: throw HTTPParseError(.foldedField)
        default:
            guard fieldCount < limits.fieldCount else { throw HTTPParseError(.tooManyFields) }
            lineStart = position
            isFolded = false
            phase = .name
        }
    }

    @inline(__always)
    private mutating func scanName(in bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) {
        let limit = lineLimit(limits)
        let end = min(limit, bytes.count)
        let token = ByteSet.token
        var index = position
        while index < end, token.contains(bytes[index]) { index &+= 1 }
        position = index
        guard index < bytes.count else { return }
        guard index < limit else { throw tooLong }
        switch bytes[index] {
        case UInt8(ascii: ":") where index > lineStart:
            colon = index
            position = index + 1
            phase = .value
        case .space, .tab: throw HTTPParseError(.whitespaceBeforeColon)
        case .carriageReturn: throw HTTPParseError(.missingColon)
        case .lineFeed: throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidFieldName)
        }
    }

    @inline(__always)
    private mutating func scanValue(in bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) {
        let limit = lineLimit(limits)
        let end = min(limit, bytes.count)
        while true {
            position = bytes.firstControl(from: position, to: end)
            guard position < bytes.count else { return }
            switch bytes[position] {
            // The line's CR may stand where the line's limit is, but the section's limit includes it.
            case .carriageReturn where position < sectionEnd:
                position += 1
                phase = .lineFeed
                return
            case _ where position >= limit: throw tooLong
            case .tab: position += 1
            case .lineFeed: throw HTTPParseError(.bareLineFeed)
            default: throw HTTPParseError(.invalidFieldValue)
            }
        }
    }

    /// The first offset at which the current line, or the section that it is in, is too long.
    private func lineLimit(_ limits: HeadLimits) -> Int {
        min(HeadLimits.end(of: limits.fieldLine, from: lineStart), sectionEnd)
    }

    /// The error for a line that reached its ``lineLimit(_:)``.
    private var tooLong: HTTPParseError {
        HTTPParseError(position >= sectionEnd ? .fieldSectionTooLarge : .fieldLineTooLong)
    }

    /// The entry of the line that has just ended, the blanks around its value left out.
    @inline(__always)
    private func entry(in bytes: Span<UInt8>) -> FieldEntry {
        let value = bytes.trimmingBlanks((colon + 1)..<(position - 2))
        return FieldEntry(name: ByteRange(lineStart, colon), value: ByteRange(value.lowerBound, value.upperBound))
    }
}
