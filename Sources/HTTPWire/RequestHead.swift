public import HTTPTypes

/// The request line and the fields of a request, checked.
///
/// A head is a reference to one heap object that holds the bytes as received, so a copy costs a retain. Strings and ``fields``
/// are created at each access: keep those that you need more than once.
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

    /// The number of bytes in the head, at most 65,535. They include the empty line that ends the head, and one before the
    /// request line if there was one.
    public var byteCount: Int { Int(storage.summary.byteCount) }

    /// Whether the method is HEAD.
    package var isHead: Bool { storage.summary.method == .head }

    /// The method as a number, which needs no string.
    package var knownMethod: KnownMethod { storage.summary.method }

    /// The method, which may be any token. Answer a method that the server does not know with 501 (RFC 9110 section 9.1).
    public var method: HTTPRequest.Method {
        // The initializer returns nil only if the method is not a token, and the parser has checked that.
        storage.summary.method.method ?? HTTPRequest.Method(storage.string(storage.summary.methodRange))!
    }

    /// The version in the request line.
    public var version: HTTPVersion { storage.summary.version }

    /// The form of the request target.
    public var targetForm: RequestTargetForm { storage.summary.form }

    /// The request target as received.
    public var target: String { storage.string(storage.summary.targetRange) }

    /// The path, percent-encoded and without the query. It is `/` for an absolute target without a path, `*` in asterisk form,
    /// and empty in authority form.
    public var path: String { storage.string(storage.summary.path) }

    /// The query: the text after the first `?` of the target, percent-encoded; nil without a `?`. ``QueryItems`` decodes it.
    public var query: String? {
        storage.summary.queryStart.map { storage.string(ByteRange(start: $0, end: storage.summary.targetRange.end)) }
    }

    /// The host and the optional port, as received. They come from the target if it has a host, which overrides `Host` (RFC 9112
    /// section 3.2.2), and otherwise from `Host`. Nil only for an HTTP/1.0 request that has neither.
    public var authority: String? { storage.summary.authority.map(storage.string) }

    /// The framing of the body.
    public var framing: BodyFraming { storage.summary.framing }

    /// The value of `Content-Length`, in bytes; nil without that field.
    public var contentLength: Int? {
        if case .length(let length) = framing { length } else { nil }
    }

    /// Whether the client allows the server to keep the connection open for another request (RFC 9112 section 9.3).
    public var keepAlive: Bool { storage.summary.keepAlive }

    /// Whether the client sent `Connection: keep-alive`. Such a client may look for `Keep-Alive` in the response, which tells
    /// how long the server keeps an idle connection (RFC 9112 appendix C.2.2).
    public var asksForKeepAlive: Bool { storage.summary.asksForKeepAlive }

    /// Whether the client waits for 100 Continue before it sends the body (RFC 9110 section 10.1.1). False for HTTP/1.0.
    public var expectsContinue: Bool { storage.summary.expectsContinue }

    /// Calls `body` with the bytes of ``path``, so that a router needs no string. Rethrows what `body` throws.
    @inlinable
    public func withPathBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(self) }
        return try unsafe body(pathMemory.span)
    }

    // Not inlinable: in a caller that has an optional head, the optimizer would copy the head, at a cost of 200 instructions.
    /// Calls `body` with the bytes of ``method`` and ``target``, as received. All of them are visible ASCII.
    public func withRequestLine(_ body: (_ method: Span<UInt8>, _ target: Span<UInt8>) -> Void) {
        defer { extendLifetime(self) }
        let (method, target) = unsafe (storage.memory(storage.summary.methodRange), storage.memory(storage.summary.targetRange))
        unsafe body(method.span, target.span)
    }

    /// Calls `body` with the bytes of the whole head, as received. Rethrows what `body` throws.
    @inlinable
    public func withBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        defer { extendLifetime(self) }
        return try unsafe body(memory.span)
    }

    /// The memory of the path, which is valid while there is a reference to this head.
    @usableFromInline var pathMemory: UnsafeBufferPointer<UInt8> { unsafe storage.memory(storage.summary.path) }
    @usableFromInline var memory: UnsafeBufferPointer<UInt8> {
        unsafe storage.memory(ByteRange(start: 0, end: storage.summary.byteCount))
    }
}
