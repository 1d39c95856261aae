internal import HTTPTypes
internal import HTTPWire

/// One cookie that a client sent. A client sends names and values only, never the attributes that they were set with.
public struct RequestCookie: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The value as it was sent, including double quotes around it: these are part of a value (RFC 6265bis, 4.1.1).
    public let value: String

    init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// The cookies of a request, in the order in which the client sent them (RFC 6265, 4.2).
///
/// Pairs without a name or without `=`, and names that are not tokens, are left out, because no server can have set them. Values
/// are not decoded. Clients choose what they send: check a value as you would check any other input.
public struct RequestCookies: Sendable, Hashable, RandomAccessCollection {
    private var cookies: [RequestCookie] = []

    /// Parses the values of `Cookie` fields.
    init(_ fields: [String]) {
        for field in fields {
            for pair in field.utf8.split(separator: UInt8(ascii: ";")) {
                guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { continue }
                let name = pair[..<equals].withoutBlanks
                let value = pair[pair.index(after: equals)...].withoutBlanks
                guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte), value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
                else { continue }
                cookies.append(RequestCookie(name: String(name), value: String(value)))
            }
        }
    }

    /// The value of the first cookie of that name, or nil. Browsers send the cookie with the longest path first.
    public subscript(name: String) -> String? { cookies.first { $0.name == name }?.value }

    /// The values of all cookies of that name, in order: cookies with different paths or domains may share a name.
    public func values(of name: String) -> [String] { cookies.filter { $0.name == name }.map(\.value) }

    /// 0.
    public var startIndex: Int { cookies.startIndex }
    /// The number of cookies.
    public var endIndex: Int { cookies.endIndex }
    /// The cookie at an index.
    public subscript(index: Int) -> RequestCookie { cookies[index] }
}

extension Request {
    /// The cookies that the client sent. Each access parses them: keep the result.
    ///
    ///     guard let session = request.cookies["__Host-session"] else { throw HTTPError(.unauthorized, "log in first") }
    public var cookies: RequestCookies { RequestCookies(head.values(of: .cookie)) }
}

extension Substring.UTF8View {
    /// The text without spaces and tabs around it.
    fileprivate var withoutBlanks: Substring {
        var rest = self
        while let byte = rest.first, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { rest.removeFirst() }
        while let byte = rest.last, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { rest.removeLast() }
        return Substring(rest)
    }
}
