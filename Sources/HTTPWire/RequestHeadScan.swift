/// The state of the strict scan of one request head: its position, and what it has found so far.
struct RequestHeadScan: StrictScan {
    static let message = HTTPParseError.Message.request

    private var line = RequestLineScanner()
    private var fields = FieldScanner(start: 0, sectionBytes: 0)
    private var target: RequestTarget?
    private var method = KnownMethod.other
    private var controls = RequestControlFields()
    private var table = FieldTable()
    var failure: HTTPParseError?

    /// Whether the scan has seen a byte of the request line.
    var hasStarted: Bool { line.hasStarted }

    /// Whether the scan has read the whole request line, and it is correct and has the method HEAD.
    var isHead: Bool { target != nil && method == .head }

    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool {
        if target == nil {
            guard try line.scan(bytes, limits: limits) else { return false }
            method = KnownMethod(bytes.extracting(line.start..<line.methodEnd))
            target = try RequestTarget(bytes, range: targetRange, query: line.query, method: method)
            fields = FieldScanner(start: line.position, sectionBytes: limits.headBytes)
        }
        while true {
            switch try fields.next(in: bytes, limits: limits) {
            case .needMore: return false
            case .field(let entry):
                try controls.note(entry, in: bytes)
                table.append(entry)
            case .end: return true
            }
        }
    }

    private var targetRange: Range<Int> { (line.methodEnd + 1)..<line.targetEnd }

    func head(_ bytes: Span<UInt8>, reusing spare: inout RequestHead?) throws(HTTPParseError) -> RequestHead? {
        guard let target else { return nil }
        if line.version == .http11, controls.host == nil { throw HTTPParseError(.missingHost) }
        let summary = RequestSummary(
            framing: try controls.body.framing(version: line.version),
            method: method,
            version: line.version,
            form: target.form,
            keepAlive: controls.connection.keepsAlive(version: line.version),
            asksForKeepAlive: controls.connection.asksForKeepAlive,
            expectsContinue: try controls.expectsContinue(version: line.version),
            methodRange: ByteRange(line.start, line.methodEnd),
            targetRange: ByteRange(targetRange.lowerBound, targetRange.upperBound),
            path: target.path,
            queryStart: target.query?.start,
            authority: target.authority ?? controls.host,
            fieldCount: UInt16(table.count),
            byteCount: UInt16(fields.position))
        return table.withEntries { RequestHead(summary, bytes: bytes, entries: $0, reusing: &spare) }
    }
}
