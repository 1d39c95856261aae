public import HTTPTypes

/// Writes responses (RFC 9112 sections 4 to 6) to the end of a byte array.
public enum ResponseSerializer {
    /// `HTTP/1.1 100 Continue` as a whole (RFC 9110 section 15.2.1).
    public static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Writes the status line, the fields and the empty line.
    ///
    /// Framing, `Connection`, `Keep-Alive` and `Date` are the serializer's: those among `fields` are left out, so that there
    /// are never two.
    /// An interim response (1xx) has none of them.
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
    ///   - output: What is appended to, and left as it was if an error is thrown.
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
        guard (100...999).contains(status.code) else { throw .invalidStatus(status.code) }
        let start = output.count
        do throws(HTTPSerializeError) {
            try writeStatusLine(status, into: &output)
            for field in fields where !field.name.isWrittenBySerializer { try writeField(field, into: &output) }
        } catch {
            output.removeSubrange(start...)
            throw error
        }
        let allowed = framing.allowed(for: status, version: version)
        let body = isHead || status.code == 205 ? .none : allowed
        output.append(addingCapacity: longestEnd) { output in
            if status.kind != .informational {
                writeFraming(allowed, into: &output)
                writeConnection(keepAlive && body != .untilClose, idleSeconds, version: version, into: &output)
                if let date { write(date, into: &output) }
            }
            output.append(literal: "\r\n")
        }
        return body
    }

    private static func writeStatusLine(
        _ status: HTTPResponse.Status, into output: inout [UInt8]
    ) throws(HTTPSerializeError) {
        let reason = status.reasonPhrase.isEmpty ? standardReasonPhrase(status.code) : status.reasonPhrase
        // "HTTP/1.1 ", three digits, a space, and the line's end.
        try output.append(addingCapacity: reason.utf8.count + 15) { output throws(HTTPSerializeError) in
            output.append(literal: "HTTP/1.1 ")
            output.append(decimal: status.code)
            output.append(.space)
            let start = output.count
            output.append(reason)
            guard output.isFieldContent(from: start) else { throw .invalidReasonPhrase }
            output.append(literal: "\r\n")
        }
    }

    /// A field name is a token by its type; a value may hold control bytes, and is checked.
    static func writeField(_ field: HTTPField, into output: inout [UInt8]) throws(HTTPSerializeError) {
        let name = field.name.rawName
        var isSound = true
        unsafe field.withUnsafeBytesOfValue { value in
            output.append(addingCapacity: name.utf8.count + value.count + 4) { output in
                output.append(name)
                output.append(literal: ": ")
                let start = output.count
                unsafe output.append(value.span)
                isSound = output.isFieldContent(from: start)
                output.append(literal: "\r\n")
            }
        }
        guard isSound else { throw .invalidFieldValue(name: name) }
    }

    /// Bytes that the fields of the serializer's own and the empty line come to at most: three lengths of 19 digits among them.
    private static let longestEnd = 256

    private static func writeFraming(_ framing: ResponseFraming, into output: inout OutputSpan<UInt8>) {
        switch framing {
        case .none, .untilClose: break
        case .length(let length):
            output.append(literal: "Content-Length: ")
            output.append(decimal: length)
            output.append(literal: "\r\n")
        case .chunked: output.append(literal: "Transfer-Encoding: chunked\r\n")
        }
    }

    /// Only what the version does not imply (RFC 9112 section 9.3), or the client asked for.
    private static func writeConnection(
        _ keepAlive: Bool, _ idleSeconds: Int?, version: HTTPVersion, into output: inout OutputSpan<UInt8>
    ) {
        guard keepAlive else { return output.append(literal: "Connection: close\r\n") }
        if version == .http10 || idleSeconds != nil { output.append(literal: "Connection: keep-alive\r\n") }
        if let idleSeconds {
            output.append(literal: "Keep-Alive: timeout=")
            output.append(decimal: idleSeconds)
            output.append(literal: "\r\n")
        }
    }

    private static func write(_ date: HTTPDate, into output: inout OutputSpan<UInt8>) {
        output.append(literal: "Date: ")
        output.append(date.bytes.span)
        output.append(literal: "\r\n")
    }
}

extension HTTPField.Name {
    /// Whether the serializer writes this field itself.
    fileprivate var isWrittenBySerializer: Bool {
        switch canonicalName.utf8.count {
        case 4: canonicalName == "date"
        case 10: canonicalName == "connection" || canonicalName == "keep-alive"
        case 14: canonicalName == "content-length"
        case 17: canonicalName == "transfer-encoding"
        default: false
        }
    }
}
