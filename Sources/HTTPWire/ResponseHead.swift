public import HTTPTypes

/// The status line and the fields of one response, checked.
///
/// It is one reference to one heap object, which holds the bytes as they were received, except that a field which the server
/// folded over several lines is on one. Strings and ``fields`` are made each time they are asked for: keep what is needed twice.
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

    /// The bytes of the head as received, with the empty line that ends it. At most 65,535.
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

    /// The value of a field, found without making ``fields``. Several lines are joined as `HTTPFields` joins them: with `, `,
    /// those of `Cookie` with `; `. Bytes that are not UTF-8 are replaced by U+FFFD.
    public subscript(name: HTTPField.Name) -> String? { storage.value(of: name) }

    /// The value of each line of a field, in the order received.
    public func values(of name: HTTPField.Name) -> [String] { storage.values(of: name) }

    /// The value of `Content-Length`, in bytes, whatever the framing: answers to HEAD and 304 announce a length without content.
    public var contentLength: Int? { storage.summary.contentLength }

    /// Whether there is a `Content-Encoding` field.
    public var hasContentEncoding: Bool { storage.summary.hasContentEncoding }

    /// Whether there is a `Location` field.
    public var hasLocation: Bool { storage.summary.hasLocation }

    /// Whether there is a `Retry-After` field.
    public var hasRetryAfter: Bool { storage.summary.hasRetryAfter }

    /// Returns how the end of the content is known (RFC 9112 section 6.3).
    ///
    /// After a 2xx answer to CONNECT there is no content but a tunnel, and after 101 another protocol: that is for the caller to
    /// know.
    ///
    /// - Parameter toHead: Whether the request was HEAD, whose answers have no content.
    public func framing(toHead: Bool) -> ResponseBodyFraming {
        let summary = storage.summary
        if toHead || summary.neverHasContent { return .none }
        if summary.isChunked { return .chunked }
        return summary.contentLength.map { .length($0) } ?? .untilClose
    }

    /// Returns whether the connection may carry another request after this response (RFC 9112 section 9.3): the server keeps it,
    /// the response ends before the connection does, and the response does not announce content that its status cannot have.
    ///
    /// - Parameter toHead: Whether the request was HEAD.
    public func keepsAlive(toHead: Bool) -> Bool {
        let summary = storage.summary
        guard summary.keepAlive, framing(toHead: toHead) != .untilClose else { return false }
        guard summary.neverHasContent else { return true }
        // The length in a 304 is that of the content which a 200 would have.
        let announcesContent = summary.status != 304 && summary.contentLength ?? 0 > 0
        return !summary.isChunked && !announcesContent
    }
}

extension ResponseSummary {
    /// Whether the status is one without content, whatever the request and the fields (RFC 9110 section 6.4.1).
    fileprivate var neverHasContent: Bool { status < 200 || status == 204 || status == 304 }
}

/// How the end of a response's content is known (RFC 9112 section 6.3).
public enum ResponseBodyFraming: Sendable, Hashable {
    /// There is no content.
    case none
    /// `Content-Length`, in bytes; may be 0, but not negative.
    case length(Int)
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// The server closes the connection.
    case untilClose
}
