public import Tandem

/// The host of a URL: a name, or a numeric address.
public enum Host: Hashable, Sendable, CustomStringConvertible {
    /// In lower case, without a dot at its end.
    case name(String)
    case address(IPAddress)

    /// Reads a host as it stands in a URL, an IPv6 address in brackets.
    ///
    /// A name is labels of letters, digits, `-` and `_`, as DNS and container networks use them; other languages' letters
    /// come as punycode. What ends in a number is an IPv4 address to every URL parser, so it is one here or nothing: the
    /// spellings that inet_aton would take (127.1, 0x7f.1, 2130706433, 017700000001) are refused.
    public init?(_ text: String) {
        if text.utf8.first == UInt8(ascii: "[") {
            guard text.utf8.last == UInt8(ascii: "]"), let address = IPAddress(String(text.dropFirst().dropLast())),
                case .v6 = address
            else { return nil }
            self = .address(address)
            return
        }
        guard text.utf8.count <= 253, text.utf8.allSatisfy(Self.isNameByte) else { return nil }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy(Self.isLabel), let last = labels.last else { return nil }
        if last.utf8.allSatisfy(isDigit) || Self.isHexadecimal(last) {
            guard let address = IPAddress(text) else { return nil }
            self = .address(address)
        } else {
            self = .name(text.lowercased())
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        let letter = byte | 0x20
        return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z") || isDigit(byte)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }

    private static func isHexadecimal(_ label: Substring) -> Bool {
        label.lowercased().hasPrefix("0x") && label.dropFirst(2).allSatisfy(\.isHexDigit)
    }

    private static func isLabel(_ label: Substring) -> Bool {
        1...63 ~= label.utf8.count && label.utf8.first != UInt8(ascii: "-") && label.utf8.last != UInt8(ascii: "-")
    }

    /// As it stands in a URL.
    public var description: String {
        switch self {
        case .name(let name): name
        case .address(.v4(let bits)): IPAddress.v4(bits).description
        case .address(let address): "[\(address)]"
        }
    }
}
