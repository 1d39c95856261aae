extension ResolvedAddress {
    /// Whether the address is one of the public internet: not this machine, not a private or link-local network (where
    /// clouds keep their metadata service), not multicast, and not set aside for documentation, tests or translation.
    ///
    /// Follows the registries of RFC 6890. Where a service fetches what strangers ask for, refuse all others.
    public var isPublic: Bool {
        let blocks = octets.count == 4 ? ResolvedAddress.specialIPv4 : ResolvedAddress.specialIPv6
        if octets.count == 16, octets[0] & 0xe0 != 0x20 { return false }  // only 2000::/3 is given out
        return !blocks.contains { $0.contains(octets) }
    }

    private struct Block {
        let prefix: [UInt8]
        let length: Int

        init(_ length: Int, _ prefix: UInt8...) {
            self.prefix = prefix
            self.length = length
        }

        func contains(_ octets: [UInt8]) -> Bool {
            var left = length
            for (index, octet) in prefix.enumerated() {
                let mask = left >= 8 ? 0xff : ~(UInt8.max >> UInt8(max(left, 0)))
                guard (octets[index] ^ octet) & mask == 0 else { return false }
                left -= 8
            }
            return true
        }
    }

    private static let specialIPv4 = [
        Block(8, 0),  // this network
        Block(8, 10), Block(12, 172, 16), Block(16, 192, 168),  // private
        Block(10, 100, 64),  // carrier-grade NAT
        Block(8, 127),  // loopback
        Block(16, 169, 254),  // link-local
        Block(24, 192, 0, 0), Block(24, 192, 0, 2), Block(24, 198, 51, 100), Block(24, 203, 0, 113),  // protocols, documentation
        Block(24, 192, 88, 99),  // 6to4 relays
        Block(15, 198, 18),  // benchmarks
        Block(3, 224),  // multicast, reserved, broadcast
    ]

    private static let specialIPv6 = [
        Block(23, 0x20, 0x01, 0x00),  // protocols, Teredo among them
        Block(32, 0x20, 0x01, 0x0d, 0xb8),  // documentation
        Block(16, 0x20, 0x02),  // 6to4: an IPv4 address inside
        Block(20, 0x3f, 0xff, 0x00),  // documentation
    ]
}
