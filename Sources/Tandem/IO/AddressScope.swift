/// The part of the network that an address belongs to, as far as rules for outbound connections distinguish them.
public enum AddressScope: Sendable {
    /// The public internet.
    case global
    /// A private network: RFC 1918, RFC 6598 (carriers, and some clouds), or unique local IPv6 (RFC 4193).
    case privateNetwork
    /// This machine.
    case loopback
    /// Addresses that no host name should resolve to: link-local (where clouds keep their metadata and credentials), unspecified,
    /// multicast, reserved and documentation addresses, and tunnels that hide another address.
    case forbidden
}

extension IPAddress {
    /// The scope of the address. For an IPv6 address that contains an IPv4 address (`unmapped`), the scope of the IPv4 address.
    public var scope: AddressScope {
        switch unmapped {
        case .v4(let bits): Self.scope(bits)
        case .v6(let upper, let lower): Self.scope(upper, lower)
        }
    }

    /// Whether the address is on the public internet (`AddressScope.global`): not this machine, not a private or link-local
    /// network (where clouds keep their metadata service), not multicast, and not reserved for documentation, tests or
    /// translation.
    public var isPublic: Bool { scope == .global }

    private static func scope(_ bits: UInt32) -> AddressScope {
        func isIn(_ a: UInt32, _ b: UInt32, _ c: UInt32, length: UInt32) -> Bool {
            (bits ^ (a << 24 | b << 16 | c << 8)) >> (32 - length) == 0
        }
        if isIn(127, 0, 0, length: 8) { return .loopback }
        if isIn(10, 0, 0, length: 8) || isIn(172, 16, 0, length: 12) || isIn(192, 168, 0, length: 16) { return .privateNetwork }
        // Alibaba Cloud's metadata service is inside the shared range.
        if bits == 0x6464_64C8 { return .forbidden }
        if isIn(100, 64, 0, length: 10) { return .privateNetwork }
        let forbidden =
            isIn(0, 0, 0, length: 8)  // this network
            || isIn(169, 254, 0, length: 16)  // link-local
            || isIn(192, 0, 0, length: 24)  // protocol assignments
            || isIn(192, 0, 2, length: 24) || isIn(198, 51, 100, length: 24) || isIn(203, 0, 113, length: 24)  // documentation
            || isIn(192, 88, 99, length: 24)  // 6to4 relays
            || isIn(198, 18, 0, length: 15)  // benchmarks
            || isIn(224, 0, 0, length: 3)  // multicast, reserved, broadcast
        return forbidden ? .forbidden : .global
    }

    private static func scope(_ upper: UInt64, _ lower: UInt64) -> AddressScope {
        if upper == 0, lower == 1 { return .loopback }
        if upper >> 57 == 0xFC >> 1 {
            // Unique local, except the metadata service of Amazon EC2 (fd00:ec2::254 and its neighbours).
            return upper == 0xFD00_0EC2_0000_0000 ? .forbidden : .privateNetwork
        }
        let isUnicast = upper >> 61 == 0b001
        let isSpecial =
            upper >> 41 == 0x2001_0000 >> 9  // 2001::/23: Teredo and other protocol assignments
            || upper >> 32 == 0x2001_0DB8  // documentation
            || upper >> 44 == 0x3FFF0  // documentation
            || upper >> 48 == 0x2002  // 6to4
        return isUnicast && !isSpecial ? .global : .forbidden
    }
}
