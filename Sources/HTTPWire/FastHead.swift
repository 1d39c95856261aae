internal import CHTTPWire

/// A parser for complete request heads of the usual kind, in one pass.
///
/// It accepts a subset of what ``RequestHeadScan`` accepts: a common method, a target in origin form, at most 16 fields, `Host`
/// with a name or an IPv4 address, the usual values of `Connection`, `Content-Length` and `Transfer-Encoding`, no `Expect`, and
/// no tab. It reports no errors: a head that it does not accept is scanned strictly from the first byte.
enum FastHead {
    /// Returns the head at the start of `bytes`, or nil if the head has to be scanned strictly.
    static func parse(_ bytes: Span<UInt8>, limits: HeadLimits, reusing spare: inout RequestHead?) -> RequestHead? {
        unsafe withUnsafeTemporaryAllocation(of: FieldEntry.self, capacity: mostFields) { table -> RequestHead? in
            guard let entries = table.baseAddress else { return nil }
            var found = tandem_wire_summary()
            let isAccepted = unsafe bytes.withUnsafeBufferPointer { source in
                guard let start = source.baseAddress else { return false }
                // A head that is complete within the smallest limit exceeds no limit.
                let count = min(source.count, limits.surelyAllowed)
                // A FieldEntry is laid out as a tandem_wire_field: four numbers of 16 bits.
                return unsafe tandem_wire_scan_head(
                    start, count, min(mostFields, limits.fieldCount), &found,
                    UnsafeMutableRawPointer(entries).assumingMemoryBound(to: tandem_wire_field.self))
            }
            guard isAccepted else { return nil }
            // The scanner has initialized the first `field_count` entries.
            let fields = unsafe UnsafeBufferPointer(start: entries, count: Int(found.field_count))
            return unsafe RequestHead(RequestSummary(found), bytes: bytes, entries: fields.span, reusing: &spare)
        }
    }

    private static let mostFields = Int(tandem_wire_most_fields)
}

extension RequestSummary {
    @inline(__always)
    fileprivate init(_ found: tandem_wire_summary) {
        let version: HTTPVersion = found.minor_version == 1 ? .http11 : .http10
        self.init(
            framing: found.is_chunked ? .chunked : found.content_length < 0 ? .none : .length(Int(found.content_length)),
            method: KnownMethod(rawValue: found.method) ?? .other,
            version: version,
            form: .origin,
            keepAlive: !found.closes && (version == .http11 || found.keeps_alive),
            asksForKeepAlive: found.keeps_alive,
            expectsContinue: false,
            methodRange: ByteRange(start: 0, end: found.target.start &- 1),
            targetRange: ByteRange(start: found.target.start, end: found.target.end),
            path: ByteRange(start: found.target.start, end: found.path_end),
            queryStart: found.path_end < found.target.end ? found.path_end &+ 1 : nil,
            authority: ByteRange(start: found.host.start, end: found.host.end),
            fieldCount: UInt16(found.field_count),
            byteCount: found.byte_count)
    }
}
