internal import Glibc

/// An address that a name stood for, and that a request is about to go to.
public struct ResolvedAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 bytes for IPv4, 16 for IPv6, in network order.
    public let octets: [UInt8]
    /// The port.
    public let port: Int

    /// nil unless there are 4 octets or 16. An IPv4 address in IPv6 form (`::ffff:a.b.c.d`) becomes one of 4.
    public init?(octets: [UInt8], port: Int) {
        switch octets.count {
        case 4: self.octets = octets
        case 16: self.octets = octets.starts(with: ResolvedAddress.mappedPrefix) ? Array(octets[12...]) : octets
        default: return nil
        }
        self.port = port
    }

    /// An address in numeric form, without brackets; nil for anything else.
    public init?(_ numeric: String, port: Int) {
        // The part after % is the interface of a link-local address.
        let numeric = String(numeric.prefix { $0 != "%" })
        let family = numeric.contains(":") ? AF_INET6 : AF_INET
        var octets = [UInt8](repeating: 0, count: family == AF_INET6 ? 16 : 4)
        guard inet_pton(family, numeric, &octets) == 1 else { return nil }
        self.init(octets: octets, port: port)
    }

    /// nil for families other than IPv4 and IPv6.
    init?(_ address: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(address)
        switch CInt(address.pointee.sa_family) {
        case AF_INET:
            let address = raw.loadUnaligned(as: sockaddr_in.self)
            let octets = withUnsafeBytes(of: address.sin_addr) { Array($0) }
            self.init(octets: octets, port: Int(UInt16(bigEndian: address.sin_port)))
        case AF_INET6:
            let address = raw.loadUnaligned(as: sockaddr_in6.self)
            let octets = withUnsafeBytes(of: address.sin6_addr) { Array($0) }
            self.init(octets: octets, port: Int(UInt16(bigEndian: address.sin6_port)))
        default: return nil
        }
    }

    /// In numeric form, without the port and without brackets.
    public var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(octets.count == 4 ? AF_INET : AF_INET6, octets, &text, socklen_t(text.count)) != nil else { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Host and port, an IPv6 address in brackets.
    public var description: String { octets.count == 4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    private static let mappedPrefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
}
