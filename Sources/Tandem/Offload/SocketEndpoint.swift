internal import Glibc

/// An IP address and a port: where a TCP or UDP socket can be connected or bound to.
public struct SocketEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// The version of IP.
    public enum Family: Hashable, Sendable {
        case ipv4, ipv6
    }

    /// The version of IP.
    public let family: Family
    /// The address in digits: `127.0.0.1`, `::1`; with its zone where it has one: `fe80::1%eth0`.
    public let host: String
    /// The port, 0 to 65,535.
    public let port: UInt16

    /// `127.0.0.1:80` or `[::1]:80`.
    public var description: String { family == .ipv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// nil for an address that is neither IPv4 nor IPv6. `port` takes the place of the address's own.
    init?(_ address: UnsafePointer<sockaddr>, length: socklen_t, port: UInt16) {
        switch CInt(address.pointee.sa_family) {
        case AF_INET: family = .ipv4
        case AF_INET6: family = .ipv6
        default: return nil
        }
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { buffer -> String? in
            let failed = getnameinfo(address, length, buffer.baseAddress, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
            return failed == 0 ? String(cString: buffer.baseAddress!) : nil
        }
        guard let text else { return nil }
        host = text
        self.port = port
    }
}
