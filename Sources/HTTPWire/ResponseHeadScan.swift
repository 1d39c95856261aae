/// The state of the strict scan of one response head: its position, and what it has found so far.
struct ResponseHeadScan: StrictScan {
    static let message = HTTPParseError.Message.response

    private var line = StatusLineScanner()
    private var isLineRead = false
    private var fields = FieldScanner(start: 0, sectionBytes: 0)
    private var controls = ResponseControlFields()
    private var table = FieldTable()
    private var hasFolds = false
    var failure: HTTPParseError?

    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool {
        if !isLineRead {
            guard try line.scan(bytes, limits: limits) else { return false }
            isLineRead = true
            fields = FieldScanner(start: line.position, sectionBytes: limits.headBytes, acceptsFolds: true)
        }
        while true {
            switch try fields.next(in: bytes, limits: limits) {
            case .needMore: return false
            case .field(let entry):
                try controls.note(entry, isFolded: fields.isFolded, in: bytes)
                table.append(entry)
                if fields.isFolded { hasFolds = true }
            case .end: return true
            }
        }
    }

    func head(_ bytes: Span<UInt8>, reusing spare: inout ResponseHead?) throws(HTTPParseError) -> ResponseHead? {
        try controls.body.check(version: line.version)
        let summary = ResponseSummary(
            contentLength: controls.body.contentLength,
            status: line.status,
            reason: line.reason,
            version: line.version,
            isChunked: controls.body.isChunked,
            keepAlive: controls.connection.keepsAlive(version: line.version),
            hasContentEncoding: controls.hasContentEncoding,
            hasLocation: controls.hasLocation,
            hasRetryAfter: controls.hasRetryAfter,
            fieldCount: UInt16(table.count),
            byteCount: UInt16(fields.position))
        return table.withEntries { entries in
            guard hasFolds else { return ResponseHead(summary, bytes: bytes, entries: entries, reusing: &spare) }
            let (bytes, entries) = unfolded(bytes, entries)
            return ResponseHead(summary, bytes: bytes.span, entries: entries.span, reusing: &spare)
        }
    }

    /// Returns the bytes and the entries of the head with each folded value on one line. The entries are the only valid positions
    /// afterwards, because an unfolded value may be shorter than the bytes it replaces.
    private func unfolded(_ bytes: Span<UInt8>, _ entries: Span<FieldEntry>) -> ([UInt8], [FieldEntry]) {
        var (head, table): ([UInt8], [FieldEntry]) = ([], [])
        head.append(bytes.extracting(0..<fields.position))
        for index in entries.indices {
            var entry = entries[index]
            let value = bytes.extracting(entry.value.range)
            // A value contains a CR only if it is folded.
            if value.firstIndex(of: .carriageReturn) != nil {
                let line = value.unfolded
                let start = Int(entry.value.start)
                entry.value = ByteRange(start, start + line.count)
                head.replaceSubrange(entry.value.range, with: line)
            }
            table.append(entry)
        }
        return (head, table)
    }
}
