internal import Glibc

/// An address that a name stood for, and that a request is about to go to.
public struct ResolvedAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address. One in IPv6 form that ends at an IPv4 address (`::ffff:a.b.c.d`, NAT64) is that IPv4 address.
    public let address: IPAddress
    /// The port.
    public let port: Int

    /// An address and a port.
    public init(_ address: IPAddress, port: Int) {
        self.address = address.unmapped
        self.port = port
    }

    /// An address in numeric form, without brackets; nil for anything else.
    public init?(_ numeric: String, port: Int) {
        // The part after % is the interface of a link-local address.
        guard let address = IPAddress(String(numeric.prefix { $0 != "%" })) else { return nil }
        self.init(address, port: port)
    }

    /// nil for families other than IPv4 and IPv6.
    init?(_ address: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(address)
        switch CInt(address.pointee.sa_family) {
        case AF_INET:
            let address = raw.loadUnaligned(as: sockaddr_in.self)
            self.init(.v4(UInt32(bigEndian: address.sin_addr.s_addr)), port: Int(UInt16(bigEndian: address.sin_port)))
        case AF_INET6:
            let address = raw.loadUnaligned(as: sockaddr_in6.self)
            guard let six = IPAddress(octets: withUnsafeBytes(of: address.sin6_addr) { Array($0) }) else { return nil }
            self.init(six, port: Int(UInt16(bigEndian: address.sin6_port)))
        default: return nil
        }
    }

    /// Whether the address is one of the public internet: not this machine, not a private or link-local network (where
    /// clouds keep their metadata service), not multicast, and not set aside for documentation, tests or translation.
    public var isPublic: Bool { address.scope == .global }

    /// Host and port, an IPv6 address in brackets.
    public var description: String {
        if case .v4 = address { "\(address):\(port)" } else { "[\(address)]:\(port)" }
    }
}
