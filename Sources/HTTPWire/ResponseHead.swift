public import HTTPTypes

/// The status line and the fields of a response, checked.
///
/// A head is a reference to one heap object that holds the bytes as received, so a copy costs a retain. Only fields that the
/// server folded over several lines are changed: each is unfolded into one line. Strings and ``fields`` are created at each
/// access: keep those that you need more than once.
public struct ResponseHead: Sendable {
    private var storage: HeadStorage<ResponseSummary>

    /// Creates a head in the memory of `spare` if possible, otherwise in new memory. Afterwards `spare` is nil.
    @inline(__always)
    init(_ summary: ResponseSummary, bytes: Span<UInt8>, entries: Span<FieldEntry>, reusing spare: inout ResponseHead?) {
        if var head = spare.take(), head.storage.replace(summary, bytes: bytes, entries: entries) {
            self = head
        } else {
            storage = HeadStorage(summary, bytes: bytes, entries: entries)
        }
    }

    /// The number of bytes in the head as received, with the empty line that ends it. At most 65,535.
    public var byteCount: Int { Int(storage.summary.byteCount) }

    /// The status code, 100 to 599.
    public var status: Int { Int(storage.summary.status) }

    /// The reason phrase as received, which may be empty.
    public var reason: String { storage.string(storage.summary.reason) }

    /// The version in the status line.
    public var version: HTTPVersion { storage.summary.version }

    /// The number of fields.
    public var fieldCount: Int { Int(storage.summary.fieldCount) }

    /// All fields in the order received.
    public var fields: HTTPFields { storage.fields }

    /// The value of a field; nil without that field. The values of several lines are joined with `, `, those of `Cookie` with
    /// `; `, as `HTTPFields` joins them. Bytes that are not UTF-8 are replaced by U+FFFD. This does not create ``fields``.
    public subscript(name: HTTPField.Name) -> String? { storage.value(of: name) }

    /// Returns the value of each line of a field, in the order received.
    public func values(of name: HTTPField.Name) -> [String] { storage.values(of: name) }

    /// The value of `Content-Length`, in bytes; nil without that field. A response to HEAD and a 304 may have it without content.
    public var contentLength: Int? { storage.summary.contentLength }

    /// Whether there is a `Content-Encoding` field.
    public var hasContentEncoding: Bool { storage.summary.hasContentEncoding }

    /// Whether there is a `Location` field.
    public var hasLocation: Bool { storage.summary.hasLocation }

    /// Whether there is a `Retry-After` field.
    public var hasRetryAfter: Bool { storage.summary.hasRetryAfter }

    /// Returns how the end of the content is marked (RFC 9112 section 6.3).
    ///
    /// The caller has to handle two cases itself: a tunnel follows a 2xx response to CONNECT, and another protocol follows a 101.
    ///
    /// - Parameter toHead: Whether the request was HEAD. A response to HEAD has no content.
    public func framing(toHead: Bool) -> ResponseBodyFraming {
        let summary = storage.summary
        if toHead || summary.neverHasContent { return .none }
        if summary.isChunked { return .chunked }
        return summary.contentLength.map { .length($0) } ?? .untilClose
    }

    /// Returns whether the connection may carry another request after this response (RFC 9112 section 9.3). It may if the
    /// server keeps it open, the response ends before the connection does, and the response does not announce content that its
    /// status cannot have.
    ///
    /// - Parameter toHead: Whether the request was HEAD.
    public func keepsAlive(toHead: Bool) -> Bool {
        let summary = storage.summary
        guard summary.keepAlive, framing(toHead: toHead) != .untilClose else { return false }
        guard summary.neverHasContent else { return true }
        // The length in a 304 is that of the content that a 200 would have had.
        let announcesContent = summary.status != 304 && summary.contentLength ?? 0 > 0
        return !summary.isChunked && !announcesContent
    }
}

extension ResponseSummary {
    /// Whether a response with this status never has content (RFC 9110 section 6.4.1).
    fileprivate var neverHasContent: Bool { status < 200 || status == 204 || status == 304 }
}

/// The way to find the end of a response's content (RFC 9112 section 6.3).
public enum ResponseBodyFraming: Sendable, Hashable {
    /// There is no content.
    case none
    /// The response has a `Content-Length`: the content has this many bytes, 0 or more.
    case length(Int)
    /// The response has `Transfer-Encoding: chunked`.
    case chunked
    /// The content ends when the server closes the connection.
    case untilClose
}
