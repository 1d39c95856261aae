internal import Glibc

/// An IPv4 or IPv6 address and port, or a unix socket.
struct SocketAddress: CustomStringConvertible {
    private var storage: sockaddr_storage
    private var length: socklen_t

    init(_ storage: sockaddr_storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// Creates an address from a numeric address or "localhost". Returns nil when `host` is neither.
    init?(host: String, port: Int) {
        guard let port = UInt16(exactly: port) else { return nil }
        storage = sockaddr_storage()
        let host = host == "localhost" ? "127.0.0.1" : host
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
        } else if inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
        } else {
            return nil
        }
    }

    /// Parses a numeric address and a port, as `description` writes them. Returns nil for any other text.
    init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
        let host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        guard isBracketed || !host.contains(":") else { return nil }
        self.init(host: String(isBracketed ? host.dropFirst().dropLast() : host), port: port)
    }

    /// Bytes of the longest path a unix socket can have; the kernel wants a NUL behind it.
    static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// Creates the address of a unix socket. Returns nil for a path that is empty or too long.
    init?(path: String) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= SocketAddress.longestPath, !bytes.contains(0) else { return nil }
        storage = sockaddr_storage()
        storage.ss_family = sa_family_t(AF_UNIX)
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        length = socklen_t(offset + bytes.count + 1)
        withUnsafeMutableBytes(of: &storage) { $0[offset...].copyBytes(from: bytes) }
    }

    /// Creates the address that a socket is bound to.
    init(localOf fd: CInt) {
        storage = sockaddr_storage()
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutableBytes(of: &storage) { bytes in
            getsockname(fd, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
    }

    var family: CInt { CInt(storage.ss_family) }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) { body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), length) }
    }

    var port: Int {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET: Int(UInt16(bigEndian: bytes.load(as: sockaddr_in.self).sin_port))
            case AF_INET6: Int(UInt16(bigEndian: bytes.load(as: sockaddr_in6.self).sin6_port))
            default: 0
            }
        }
    }

    var description: String {
        withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET:
                var address = bytes.load(as: sockaddr_in.self).sin_addr
                return "\(numeric(AF_INET, &address)):\(port)"
            case AF_INET6:
                var address = bytes.load(as: sockaddr_in6.self).sin6_addr
                return "[\(numeric(AF_INET6, &address))]:\(port)"
            default: return "unix"
            }
        }
    }

    private func numeric(_ family: CInt, _ address: UnsafeRawPointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            guard inet_ntop(family, address, text.baseAddress!, socklen_t(text.count)) != nil else { return "?" }
            return String(cString: text.baseAddress!)
        }
    }
}

extension SocketAddress {
    /// The unit that counts as one peer: an IPv4 address, or the /64 network of an IPv6 address, which one subscriber gets.
    struct Network: Hashable, Sendable {
        private let bits: UInt64
        private let isV6: Bool

        /// Returns nil for a unix socket, whose peers have no address.
        init?(_ address: SocketAddress) {
            let network: (UInt64, Bool)? = address.withSockaddr { pointer, _ in
                let bytes = UnsafeRawPointer(pointer)
                switch address.family {
                case AF_INET:
                    return (UInt64(bytes.load(as: sockaddr_in.self).sin_addr.s_addr), false)
                case AF_INET6:
                    let (high, low) = withUnsafeBytes(of: bytes.load(as: sockaddr_in6.self).sin6_addr) { octets in
                        let high = octets.loadUnaligned(as: UInt64.self)
                        return (high.bigEndian, octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
                    }
                    // An IPv4 peer of a socket that listens to both (RFC 4291, 2.5.5.2).
                    let isMapped = high == 0 && low >> 32 == 0xFFFF
                    return isMapped ? (UInt64(UInt32(truncatingIfNeeded: low).bigEndian), false) : (high, true)
                default:
                    return nil
                }
            }
            guard let (bits, isV6) = network else { return nil }
            self.bits = bits
            self.isV6 = isV6
        }
    }
}
