public import HTTPTypes

/// A serializer for responses (RFC 9112 sections 4 to 7). It appends to a byte array, or writes into reserved memory.
public enum ResponseSerializer {
    /// The whole interim response `HTTP/1.1 100 Continue` (RFC 9110 section 15.2.1).
    public static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Writes the head of a response: the status line, the fields and the empty line.
    ///
    /// The serializer itself writes `Content-Length`, `Transfer-Encoding`, `Connection`, `Keep-Alive` and `Date`. It leaves
    /// these names out of `fields`, so that none occurs twice. It writes none of them for an interim response (1xx).
    ///
    /// - Parameters:
    ///   - status: The status. If its reason phrase is empty, the registered one is written.
    ///   - fields: The other fields of the response.
    ///   - framing: How the body is framed. The serializer omits the framing for a status that never has a body, writes a
    ///     length of 0 for 205, and replaces chunks by ``ResponseFraming/untilClose`` for HTTP/1.0.
    ///   - version: The version of the request. The response itself is always HTTP/1.1 (RFC 9110 section 2.5).
    ///   - isHead: Whether the request was `HEAD`. The response then has the same fields, but no body.
    ///   - keepAlive: Whether the server keeps the connection open. If not, the head has `Connection: close`. It also has that
    ///     if the body ends with the connection.
    ///   - idleSeconds: How long the server keeps an idle connection, in seconds. Nil omits `Keep-Alive`. Only for a client that
    ///     sent `Connection: keep-alive`; see ``RequestHead/asksForKeepAlive``.
    ///   - date: The current second, or nil for a server without a clock.
    ///   - output: The array to append to. It is left unchanged if an error is thrown.
    /// - Returns: How the caller must write the body. After ``ResponseFraming/untilClose`` the caller must close the connection.
    /// - Throws: ``HTTPSerializeError`` for a status that does not have three digits, or a control byte in the reason phrase or
    ///   in the value of a field.
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

    /// Returns the free capacity in bytes that an output needs for a head.
    package static func room(_ status: HTTPResponse.Status, _ fields: EncodedFields) -> Int {
        fields.byteCount + status.reasonPhrase.utf8.count + mostBytes
    }

    /// Writes a head with encoded field lines into reserved memory; see ``room(_:_:)``.
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

    /// An upper bound in bytes for a head without its field lines and its own reason phrase: the longest registered reason
    /// phrase, three numbers, and the fields that the serializer writes itself.
    private static var mostBytes: Int { 256 }

    @inline(__always)
    private static func writeStatusLine(
        _ status: HTTPResponse.Status, into head: inout ByteWriter
    ) throws(HTTPSerializeError) {
        if let line = frequentStatusLine(status.code, status.reasonPhrase) { return head.put(line) }
        try writeAnyStatusLine(status.code, status.reasonPhrase, into: &head)
    }

    /// Returns the status line if the status is a frequent one with its registered reason phrase, otherwise nil.
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

    /// Writes `Connection` if the version does not imply it (RFC 9112 section 9.3), and `Keep-Alive` if `idleSeconds` is set.
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
