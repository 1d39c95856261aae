internal import HTTPTypes
internal import HTTPWire

/// The type of a body, as `Content-Type` gives it (RFC 9110, 8.3.1).
package struct MediaType: Sendable, Equatable {
    /// Type and subtype in lower case: `application/json`.
    package let name: String
    /// The `charset` parameter in lower case, or nil.
    package let charset: String?

    /// Parses the value of a `Content-Type` field. Returns nil when it is malformed, or when a parameter comes twice.
    package init?(_ text: String) {
        var rest = Substring(text).utf8
        guard let type = rest.takeToken(), rest.take("/"), let subtype = rest.takeToken() else { return nil }
        var parameters: [String: String] = [:]
        rest.skipBlanks()
        while rest.take(";") {
            rest.skipBlanks()
            // An empty parameter, as in "text/html;", is allowed.
            if let parameter = rest.takeToken() {
                guard rest.take("="), let value = rest.takeToken() ?? rest.takeQuotedString(),
                    parameters.updateValue(value.lowercased(), forKey: parameter.lowercased()) == nil
                else { return nil }
            }
            rest.skipBlanks()
        }
        guard rest.isEmpty else { return nil }
        name = "\(type)/\(subtype)".lowercased()
        charset = parameters["charset"]
    }
}

extension Request {
    /// Checks that the client announced a body of the expected type, in UTF-8, and without a `Content-Encoding`. Throws
    /// `HTTPError` 415 with an `Accept` field otherwise.
    package func requireMediaType(_ expected: String, or isAccepted: (String) -> Bool = { _ in false }) throws(HTTPError) {
        func refusal(_ message: String) -> HTTPError {
            HTTPError(.unsupportedMediaType, "\(message): expected \(expected)", headers: [.accept: expected])
        }
        guard let field = self[.contentType] else { throw refusal("the request has no Content-Type") }
        guard let type = MediaType(field) else { throw refusal("the Content-Type \(quoted(field)) is malformed") }
        if type.name == "multipart/form-data" { throw refusal("this server does not read multipart/form-data") }
        guard type.name == expected || isAccepted(type.name) else { throw refusal("the Content-Type is \(type.name)") }
        if let charset = type.charset, charset != "utf-8", charset != "utf8" {
            throw refusal("the charset \(quoted(charset)) is not supported, only UTF-8")
        }
        if let encoding = self[.contentEncoding], encoding.lowercased() != "identity" {
            throw refusal("the Content-Encoding \(quoted(encoding)) is not supported")
        }
    }
}

extension Substring.UTF8View {
    /// Removes and returns the token at the beginning (RFC 9110, 5.6.2), or returns nil.
    fileprivate mutating func takeToken() -> String? {
        let token = prefix(while: \.isTokenByte)
        guard !token.isEmpty else { return nil }
        self = self[token.endIndex...]
        return String(Substring(token))
    }

    /// Removes the quoted string at the beginning (RFC 9110, 5.6.4) and returns its content, or returns nil.
    fileprivate mutating func takeQuotedString() -> String? {
        guard take("\"") else { return nil }
        var content: [UInt8] = []
        while let byte = popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = popFirst() else { return nil }
                content.append(escaped)
            default: content.append(byte)
            }
        }
        return nil
    }

    fileprivate mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard first == UInt8(ascii: character) else { return false }
        removeFirst()
        return true
    }

    fileprivate mutating func skipBlanks() { self = drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }
}

extension UInt8 {
    /// Whether a token may hold this byte (`tchar`, RFC 9110, 5.6.2).
    var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
