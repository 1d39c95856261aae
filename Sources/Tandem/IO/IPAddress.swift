internal import Glibc

/// A numeric IPv4 or IPv6 address.
public enum IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IPv4 address, in host byte order.
    case v4(UInt32)
    /// The upper and the lower half of an IPv6 address, in host byte order.
    case v6(UInt64, UInt64)

    /// Parses an address in its usual form: four decimal numbers without leading zeros, or any form of RFC 4291 section 2.2
    /// without brackets and zone. Returns nil for every other spelling (127.1, 0x7f.1, 2130706433).
    public init?(_ text: String) {
        // inet_pton would read only the text before the zero byte.
        guard !text.utf8.contains(0) else { return nil }
        self.init(digits: text)
    }

    /// Parses a C string by the rules of `init(_:)`, without making a `String`.
    package init?(digits text: UnsafePointer<CChar>) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self = .v4(UInt32(bigEndian: v4.s_addr))
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            self.init(v6)
        } else {
            return nil
        }
    }

    /// Creates an address from 4 or 16 bytes in network byte order. Returns nil for any other count.
    public init?(octets: [UInt8]) {
        func number<Bits: FixedWidthInteger>(_ octets: some Sequence<UInt8>, _: Bits.Type) -> Bits {
            octets.reduce(0) { $0 << 8 | Bits($1) }
        }
        switch octets.count {
        case 4: self = .v4(number(octets, UInt32.self))
        case 16: self = .v6(number(octets.prefix(8), UInt64.self), number(octets.suffix(8), UInt64.self))
        default: return nil
        }
    }

    init(_ address: in6_addr) {
        let (upper, lower) = unsafeBitCast(address, to: (UInt64, UInt64).self)
        self = .v6(UInt64(bigEndian: upper), UInt64(bigEndian: lower))
    }

    /// The IPv4 address inside an IPv4-mapped IPv6 address (`::ffff:127.0.0.1`, RFC 4291 section 2.5.5.2) or inside a NAT64
    /// address (`64:ff9b::127.0.0.1`, RFC 6052 section 2.1). Any other address is returned unchanged. A connection to either form
    /// reaches the IPv4 address.
    public var unmapped: IPAddress {
        guard case .v6(let upper, let lower) = self else { return self }
        let isMapped = upper == 0 && lower >> 32 == 0xFFFF
        let isTranslated = upper == 0x0064_FF9B_0000_0000 && lower >> 32 == 0
        return isMapped || isTranslated ? .v4(UInt32(truncatingIfNeeded: lower)) : self
    }

    /// The canonical text form (RFC 5952 for IPv6), without brackets.
    public var description: String {
        let length = Int(INET6_ADDRSTRLEN)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: length) { buffer in
            switch self {
            case .v4(let bits):
                var address = in_addr(s_addr: bits.bigEndian)
                inet_ntop(AF_INET, &address, buffer.baseAddress, socklen_t(length))
            case .v6(let upper, let lower):
                var halves = (upper.bigEndian, lower.bigEndian)
                inet_ntop(AF_INET6, &halves, buffer.baseAddress, socklen_t(length))
            }
            return String(cString: buffer.baseAddress!)
        }
    }
}
