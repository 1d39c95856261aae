/// A scanner that finds the field lines of a header or trailer section, one at a time. It refuses everything that RFC 9112
/// section 5 allows a recipient to refuse. It can stop after any byte and continue there, so it scans no byte twice.
struct FieldScanner: Sendable {
    enum Event {
        /// The scanner has scanned all bytes, and the section has not ended.
        case needMore
        /// A complete field.
        case field(FieldEntry)
        /// The section has ended. ``FieldScanner/position`` is after its empty line.
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
    /// Whether the last field found is folded over several lines. If so, its value holds their line ends.
    private(set) var isFolded = false
    /// The first offset beyond the limit for the section.
    let sectionEnd: Int

    /// Creates a scanner for the section that starts at `start` and has at most `sectionBytes` bytes.
    ///
    /// With `acceptsFolds`, a line that starts with a blank continues the previous field (RFC 9112 section 5.2), and the limit
    /// for a field line applies to all lines of the field together.
    init(start: Int, sectionBytes: Int, acceptsFolds: Bool = false) {
        position = start
        self.acceptsFolds = acceptsFolds
        lineStart = start
        sectionEnd = HeadLimits.end(of: sectionBytes, from: start)
    }

    /// Scans to the end of the next field. `bytes` holds all bytes of the previous call, and any that have arrived since.
    mutating func next(in bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Event {
        // The phases of a line follow in this order. A whole line passes through all of them in one call.
        if phase == .lineStart, try hasByte(bytes) { try startLine(with: bytes[position], limits: limits) }
        if phase == .name { try scanName(in: bytes, limits: limits) }
        repeat {
            if phase == .value { try scanValue(in: bytes, limits: limits) }
            if phase == .lineFeed || phase == .finalLineFeed, try hasByte(bytes) { try readLineFeed(bytes[position]) }
            if phase == .done { return .end }
            guard phase == .lineEnd else { return .needMore }
            // Only the byte after the line shows whether the field continues.
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

    /// Returns whether there is a byte to scan. Throws if that byte exceeds the limit for the section.
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
            // The limit for a line does not count its CRLF; the limit for the section does.
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

    /// Returns the first offset beyond the limit for the current line or for the section.
    private func lineLimit(_ limits: HeadLimits) -> Int {
        min(HeadLimits.end(of: limits.fieldLine, from: lineStart), sectionEnd)
    }

    /// The error for a line that has reached its ``lineLimit(_:)``.
    private var tooLong: HTTPParseError {
        HTTPParseError(position >= sectionEnd ? .fieldSectionTooLarge : .fieldLineTooLong)
    }

    /// Returns the entry of the field that has just ended. Its value has no leading and trailing blanks.
    @inline(__always)
    private func entry(in bytes: Span<UInt8>) -> FieldEntry {
        let value = bytes.trimmingBlanks((colon + 1)..<(position - 2))
        return FieldEntry(name: ByteRange(lineStart, colon), value: ByteRange(value.lowerBound, value.upperBound))
    }
}
