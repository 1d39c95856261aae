public import HTTPTypes

/// Writes responses (RFC 9112 sections 4 to 6) to the end of a byte array, or into reserved memory.
public enum ResponseSerializer {
    /// `HTTP/1.1 100 Continue` as a whole (RFC 9110 section 15.2.1).
    public static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Writes the status line, the fields and the empty line.
    ///
    /// The serializer itself writes framing, `Connection`, `Keep-Alive` and `Date`: it leaves out those among `fields`, so that
    /// there are never two. An interim response (1xx) has none of them.
    ///
    /// - Parameters:
    ///   - status: Its reason phrase is written, or the usual one if it is empty.
    ///   - framing: How the body is framed. A status that never has a body has no framing, and HTTP/1.0 has no chunks: then
    ///     the body goes on until the connection closes.
    ///   - version: That of the request. The response is HTTP/1.1 in any case (RFC 9110 section 2.5).
    ///   - isHead: Whether the request was `HEAD`: the same fields, no body.
    ///   - keepAlive: Whether the connection is to be kept; if not, the response says so.
    ///   - idleSeconds: How long a connection that is kept may stand idle, for a client that asked for that: see
    ///     ``RequestHead/asksForKeepAlive``. Nil says nothing.
    ///   - date: The current second, or nil without a clock.
    ///   - output: The head is appended to it. If an error is thrown, it is left as it was.
    /// - Returns: How the body has to be written. After ``ResponseFraming/untilClose`` the connection has to be closed.
    @discardableResult
    public static func writeHead(
        status: HTTPResponse.Status,
        fields: HTTPFields,
        framing: ResponseFraming,
        version: HTTPVersion,
        isHead: Bool = false,
        keepAlive: Bool,
        idleSeconds: Int? = nil,
        date: HTTPDate?,
        into output: inout [UInt8]
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let fields = try EncodedFields(fields)
        var body = framing
        try output.append(addingCapacity: room(status, fields)) { output throws(HTTPSerializeError) in
            body = try writeHead(
                status: status, fields: fields, framing: framing, version: version, isHead: isHead, keepAlive: keepAlive,
                idleSeconds: idleSeconds, date: date, into: &output)
        }
        return body
    }

    /// The bytes of free capacity that an output needs for a head.
    package static func room(_ status: HTTPResponse.Status, _ fields: EncodedFields) -> Int {
        fields.byteCount + status.reasonPhrase.utf8.count + mostBytes
    }

    /// The same, with field lines that are encoded already, into reserved memory. See ``room(_:_:)``.
    package static func writeHead(
        status: HTTPResponse.Status,
        fields: EncodedFields,
        framing: ResponseFraming,
        version: HTTPVersion,
        isHead: Bool = false,
        keepAlive: Bool,
        idleSeconds: Int? = nil,
        date: HTTPDate?,
        into output: inout OutputSpan<UInt8>
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let code = status.code
        guard (100...999).contains(code) else { throw .invalidStatus(code) }
        let allowed = framing.allowed(for: code, version: version)
        let body = isHead || code == 205 ? .none : allowed
        try output.write(atMost: room(status, fields)) { head throws(HTTPSerializeError) in
            try writeStatusLine(status, into: &head)
            head.put(fields.bytes.span)
            if code >= 200 {
                writeFraming(allowed, into: &head)
                writeConnection(keepAlive && body != .untilClose, idleSeconds, version: version, into: &head)
                if let date { head.put(date.fieldLine.span) }
            }
            head.put("\r\n")
        }
        return body
    }

    /// More than a head has beside its field lines and its own reason phrase: the longest usual reason phrase, three numbers, and
    /// the serializer's own fields.
    private static var mostBytes: Int { 256 }

    @inline(__always)
    private static func writeStatusLine(
        _ status: HTTPResponse.Status, into head: inout ByteWriter
    ) throws(HTTPSerializeError) {
        if let line = frequentStatusLine(status.code, status.reasonPhrase) { return head.put(line) }
        try writeAnyStatusLine(status.code, status.reasonPhrase, into: &head)
    }

    /// The status line of the statuses that servers send most, each with its usual reason phrase.
    @inline(__always)
    private static func frequentStatusLine(_ code: Int, _ reason: String) -> StaticString? {
        switch code {
        case 200 where reason == "OK": "HTTP/1.1 200 OK\r\n"
        case 201 where reason == "Created": "HTTP/1.1 201 Created\r\n"
        case 204 where reason == "No Content": "HTTP/1.1 204 No Content\r\n"
        case 302 where reason == "Found": "HTTP/1.1 302 Found\r\n"
        case 304 where reason == "Not Modified": "HTTP/1.1 304 Not Modified\r\n"
        case 400 where reason == "Bad Request": "HTTP/1.1 400 Bad Request\r\n"
        case 404 where reason == "Not Found": "HTTP/1.1 404 Not Found\r\n"
        default: nil
        }
    }

    @inline(never)
    private static func writeAnyStatusLine(
        _ code: Int, _ reason: String, into head: inout ByteWriter
    ) throws(HTTPSerializeError) {
        let reason = reason.isEmpty ? standardReasonPhrase(code) : reason
        guard reason.utf8.span.isFieldContent else { throw .invalidReasonPhrase }
        head.put("HTTP/1.1 ")
        head.put(decimal: code)
        head.put(.space)
        head.put(reason.utf8.span)
        head.put("\r\n")
    }

    @inline(__always)
    private static func writeFraming(_ framing: ResponseFraming, into head: inout ByteWriter) {
        switch framing {
        case .none, .untilClose: break
        case .length(let length):
            head.put("Content-Length: ")
            head.put(decimal: length)
            head.put("\r\n")
        case .chunked: head.put("Transfer-Encoding: chunked\r\n")
        }
    }

    /// Writes only what the version does not imply (RFC 9112 section 9.3), or the client asked for.
    @inline(__always)
    private static func writeConnection(
        _ keepAlive: Bool, _ idleSeconds: Int?, version: HTTPVersion, into head: inout ByteWriter
    ) {
        guard keepAlive else { return head.put("Connection: close\r\n") }
        if version == .http10 || idleSeconds != nil { head.put("Connection: keep-alive\r\n") }
        if let idleSeconds {
            head.put("Keep-Alive: timeout=")
            head.put(decimal: idleSeconds)
            head.put("\r\n")
        }
    }
}
