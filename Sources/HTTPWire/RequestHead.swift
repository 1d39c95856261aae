public import HTTPTypes

/// The request line and the fields of one request, checked.
///
/// It is one reference to one heap object, which holds the bytes as they were received. Strings and ``fields`` are made each
/// time they are asked for: keep what is needed twice.
public struct RequestHead: Sendable {
    private(set) var storage: HeadStorage<RequestSummary>

    /// Creates a head in the memory of `spare` if possible, otherwise in new memory. Afterwards `spare` is nil.
    @inline(__always)
    init(_ summary: RequestSummary, bytes: Span<UInt8>, entries: Span<FieldEntry>, reusing spare: inout RequestHead?) {
        if var head = spare.take(), head.storage.replace(summary, bytes: bytes, entries: entries) {
            self = head
        } else {
            storage = HeadStorage(summary, bytes: bytes, entries: entries)
        }
    }

    /// The bytes of the head, with the empty line that ends it, and with one before the request line if there was one.
    public var byteCount: Int { Int(storage.summary.byteCount) }

    /// Whether the method is HEAD.
    package var isHead: Bool { storage.summary.method == .head }

    /// The method as a number, without a string to build or compare.
    package var knownMethod: KnownMethod { storage.summary.method }

    /// The method. It may be one that nobody knows: answer that with 501.
    public var method: HTTPRequest.Method {
        // The parser has checked that an unknown method is a token, which is all that the initialiser asks for.
        storage.summary.method.method ?? HTTPRequest.Method(storage.string(storage.summary.methodRange))!
    }

    /// The version in the request line.
    public var version: HTTPVersion { storage.summary.version }

    /// The form of the request target.
    public var targetForm: RequestTargetForm { storage.summary.form }

    /// The request target as received.
    public var target: String { storage.string(storage.summary.targetRange) }

    /// The path, still percent-encoded, without the query: `/` for an absolute target without one, `*` in asterisk form and
    /// empty in authority form.
    public var path: String { storage.string(storage.summary.path) }

    /// What follows the first `?` of the target, still percent-encoded; nil without a `?`. See ``QueryItems``.
    public var query: String? {
        storage.summary.queryStart.map { storage.string(ByteRange(start: $0, end: storage.summary.targetRange.end)) }
    }

    /// The host and the port, as received: of the target if it has them, which wins (RFC 9112 section 3.2.2), else of
    /// `Host`. Nil only for an HTTP/1.0 request with neither.
    public var authority: String? { storage.summary.authority.map(storage.string) }

    /// Where the body ends.
    public var framing: BodyFraming { storage.summary.framing }

    /// The value of `Content-Length`, in bytes.
    public var contentLength: Int? {
        if case .length(let length) = framing { length } else { nil }
    }

    /// Whether the client lets the connection be used again (RFC 9112 section 9.3).
    public var keepAlive: Bool { storage.summary.keepAlive }

    /// Whether the client asked for that in so many words, as `Connection: keep-alive`: such a client may look for `Keep-Alive`
    /// in the answer (RFC 9112 appendix C.2.2), which says how long it may leave the connection idle.
    public var asksForKeepAlive: Bool { storage.summary.asksForKeepAlive }

    /// Whether the client waits for 100 Continue before it sends the body (RFC 9110 section 10.1.1).
    public var expectsContinue: Bool { storage.summary.expectsContinue }

    /// Calls `body` with the bytes of ``path``, so that a route can be found without a string.
    @inlinable
    public func withPathBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(self) }
        return try unsafe body(pathMemory.span)
    }

    // Not inlinable: where an optional head is at hand, the optimizer would copy it at a cost of 200 instructions.
    /// Calls `body` with the bytes of ``method`` and ``target``, as received. All of them are visible ASCII.
    public func withRequestLine(_ body: (_ method: Span<UInt8>, _ target: Span<UInt8>) -> Void) {
        defer { extendLifetime(self) }
        let (method, target) = unsafe (storage.memory(storage.summary.methodRange), storage.memory(storage.summary.targetRange))
        unsafe body(method.span, target.span)
    }

    /// Calls `body` with the bytes of the whole head, as received.
    @inlinable
    public func withBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(self) }
        return try unsafe body(memory.span)
    }

    /// Valid as long as this head is referenced.
    @usableFromInline var pathMemory: UnsafeBufferPointer<UInt8> { unsafe storage.memory(storage.summary.path) }
    @usableFromInline var memory: UnsafeBufferPointer<UInt8> {
        unsafe storage.memory(ByteRange(start: 0, end: storage.summary.byteCount))
    }
}
