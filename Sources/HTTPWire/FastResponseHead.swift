internal import CHTTPWire

/// A parser for complete response heads of the usual kind, in one pass; see ``FastHead``.
///
/// It accepts a subset of what ``ResponseHeadScan`` accepts: HTTP/1.1, at most 32 fields, each on one line, one `Content-Length`
/// or `Transfer-Encoding`, the usual values of `Connection`, and no tab.
enum FastResponseHead {
    /// Returns the head at the start of `bytes`, or nil if the head has to be scanned strictly.
    static func parse(_ bytes: Span<UInt8>, limits: HeadLimits, reusing spare: inout ResponseHead?) -> ResponseHead? {
        unsafe withUnsafeTemporaryAllocation(of: FieldEntry.self, capacity: mostFields) { table -> ResponseHead? in
            guard let entries = table.baseAddress else { return nil }
            var found = tandem_wire_response_summary()
            let isAccepted = unsafe bytes.withUnsafeBufferPointer { source in
                guard let start = source.baseAddress else { return false }
                // A head that is complete within the smallest limit exceeds no limit.
                let count = min(source.count, limits.surelyAllowed)
                // A FieldEntry is laid out as a tandem_wire_field: four numbers of 16 bits.
                return unsafe tandem_wire_scan_response(
                    start, count, min(mostFields, limits.fieldCount), &found,
                    UnsafeMutableRawPointer(entries).assumingMemoryBound(to: tandem_wire_field.self))
            }
            guard isAccepted else { return nil }
            // The scanner has initialized the first `field_count` entries.
            let fields = unsafe UnsafeBufferPointer(start: entries, count: Int(found.field_count))
            return unsafe ResponseHead(ResponseSummary(found), bytes: bytes, entries: fields.span, reusing: &spare)
        }
    }

    private static let mostFields = Int(tandem_wire_most_response_fields)
}

extension ResponseSummary {
    @inline(__always)
    fileprivate init(_ found: tandem_wire_response_summary) {
        self.init(
            contentLength: found.content_length < 0 ? nil : Int(found.content_length),
            status: found.status,
            reason: ByteRange(start: found.reason.start, end: found.reason.end),
            version: .http11,
            isChunked: found.is_chunked,
            keepAlive: !found.closes,
            hasContentEncoding: found.has_content_encoding,
            hasLocation: found.has_location,
            hasRetryAfter: found.has_retry_after,
            fieldCount: UInt16(found.field_count),
            byteCount: found.byte_count)
    }
}
