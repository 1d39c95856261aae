internal import Glibc

/// An IP address and a port, to which a TCP or UDP socket can be connected or bound.
public struct SocketEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// The address.
    public let address: IPAddress
    /// The port, 0 to 65,535.
    public let port: UInt16
    /// The zone of a link-local IPv6 address (RFC 4007): the index of its network interface. 0 if there is no zone.
    public let zone: UInt32

    /// Creates an endpoint. `zone` applies to link-local IPv6 addresses only.
    public init(address: IPAddress, port: UInt16, zone: UInt32 = 0) {
        self.address = address
        self.port = port
        self.zone = zone
    }

    /// Parses a numeric address and a port in the form that `description` has without a zone. Returns nil for any other text.
    public init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let digits = text.utf8[text.utf8.index(after: colon)...]
        guard digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }), let port = UInt16(Substring(digits)) else { return nil }
        let host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        guard let address = IPAddress(String(isBracketed ? host.dropFirst().dropLast() : host)) else { return nil }
        if case .v6 = address, !isBracketed { return nil }
        if case .v4 = address, isBracketed { return nil }
        self.init(address: address, port: port)
    }

    /// Creates an endpoint from a numeric address as a C string and a port. Ignores the zone of the address. Returns nil for any
    /// other text, and for a port that is out of range.
    package init?(digits text: UnsafePointer<CChar>, port: CInt) {
        guard let port = UInt16(exactly: port) else { return nil }
        if let address = IPAddress(digits: text) {
            self.init(address: address, port: port)
        } else if let address = IPAddress(String(String(cString: text).prefix { $0 != "%" })) {
            self.init(address: address, port: port)
        } else {
            return nil
        }
    }

    /// The endpoint with the address that a connection to it reaches: `IPAddress.unmapped`.
    public var unmapped: SocketEndpoint {
        let unmapped = address.unmapped
        return unmapped == address ? self : SocketEndpoint(address: unmapped, port: port)
    }

    /// Whether the address is on the public internet: `IPAddress.isPublic`.
    public var isPublic: Bool { address.isPublic }

    /// The address as text, with its zone if it has one: `127.0.0.1`, `::1`, `fe80::1%eth0`.
    public var host: String {
        guard zone != 0 else { return address.description }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            // The interface no longer exists: write its index.
            guard if_indextoname(zone, buffer.baseAddress!) != nil else { return "\(address)%\(zone)" }
            return "\(address)%\(String(cString: buffer.baseAddress!))"
        }
    }

    /// The address and port: `127.0.0.1:80` or `[::1]:80`.
    public var description: String {
        if case .v4 = address { "\(host):\(port)" } else { "[\(host)]:\(port)" }
    }
}
