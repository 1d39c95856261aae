public import Tandem

/// The host of a URL: a name, or a numeric address.
public enum URLHost: Hashable, Sendable, CustomStringConvertible {
    /// A name, in lower case, without a dot at its end.
    case name(String)
    /// A numeric IPv4 or IPv6 address.
    case address(IPAddress)

    /// Parses a host as it appears in a URL (RFC 3986 section 3.2.2), with an IPv6 address in brackets. Returns nil for any
    /// other text.
    ///
    /// A name consists of labels of letters, digits, `-` and `_`, as in DNS and container networks. Letters of other scripts
    /// must be in punycode. URL parsers take a host that ends in a number for an IPv4 address, so such a host must be an
    /// address in its usual form. The other spellings that `inet_aton` accepts (127.1, 0x7f.1, 2130706433, 017700000001) are
    /// refused.
    public init?(_ text: String) { self.init(text.utf8Span.span) }

    init?(_ text: Span<UInt8>) {
        guard text.count > 0, text.count <= 253 else { return nil }
        if text[0] == UInt8(ascii: "[") {
            guard text[text.count - 1] == UInt8(ascii: "]"),
                let address = IPAddress(String(text.extracting(1..<text.count - 1))), case .v6 = address
            else { return nil }
            self = .address(address)
            return
        }
        guard let lastLabel = URLHost.lastLabel(of: text) else { return nil }
        if URLHost.isNumber(text.extracting(lastLabel..<text.count)) {
            guard let address = IPAddress(String(text)) else { return nil }
            self = .address(address)
        } else {
            self = .name(String(text).lowercased())
        }
    }

    /// Returns the offset of the last label, or nil if any label is malformed.
    private static func lastLabel(of text: Span<UInt8>) -> Int? {
        let hyphen = UInt8(ascii: "-")
        var start = 0
        for index in 0...text.count {
            guard index == text.count || text[index] == UInt8(ascii: ".") else {
                guard text[index].isLetterOrDigit || text[index] == hyphen || text[index] == UInt8(ascii: "_") else { return nil }
                continue
            }
            guard 1...63 ~= index - start, text[start] != hyphen, text[index - 1] != hyphen else { return nil }
            if index < text.count { start = index + 1 }
        }
        return start
    }

    /// Returns whether URL parsers take a host with this last label for an IPv4 address: it is decimal digits, or `0x` and
    /// hexadecimal digits.
    private static func isNumber(_ label: Span<UInt8>) -> Bool {
        let isHexadecimal = label.count >= 2 && label[0] == UInt8(ascii: "0") && label[1] | 0x20 == UInt8(ascii: "x")
        for index in (isHexadecimal ? 2 : 0)..<label.count {
            guard isHexadecimal ? label[index].isHexDigit : label[index].isDigit else { return false }
        }
        return true
    }

    /// The host as it appears in a URL.
    public var description: String {
        switch self {
        case .name(let name): name
        case .address(.v4(let bits)): IPAddress.v4(bits).description
        case .address(let address): "[\(address)]"
        }
    }
}

extension UInt8 {
    var isDigit: Bool { self &- UInt8(ascii: "0") <= 9 }

    var isLetterOrDigit: Bool { isDigit || (self | 0x20) &- UInt8(ascii: "a") < 26 }

    var isHexDigit: Bool { isDigit || (self | 0x20) &- UInt8(ascii: "a") < 6 }
}

extension String {
    init(_ bytes: Span<UInt8>) { self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) } }
}
