package import Glibc

/// The address of a socket: an IP endpoint, or the name of a unix socket. All conversions from and to `sockaddr` are here.
package enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    case ip(SocketEndpoint)
    /// A unix socket, unix(7). `name` is the path without the terminating NUL, or an abstract name with its leading zero byte. It
    /// is empty for a socket without a name, as most clients have.
    case unix(name: [UInt8])

    /// The maximum length in bytes of a unix socket's path, without the terminating NUL.
    package static let longestPath = roomForName - 1

    private static let roomForName = MemoryLayout.size(ofValue: sockaddr_un().sun_path)
    private static let nameOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!

    /// Creates the address of a unix socket with a path. Returns nil if the path is empty, too long, or contains a zero byte.
    package init?(unixPath path: String) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= SocketAddress.longestPath, !bytes.contains(0) else { return nil }
        self = .unix(name: bytes)
    }

    /// Creates the address of a unix socket with an abstract name, which has no file. Returns nil if the name is too long.
    package init?(abstractName name: some Sequence<UInt8>) {
        let bytes = [0] + Array(name)
        guard bytes.count <= SocketAddress.roomForName else { return nil }
        self = .unix(name: bytes)
    }

    /// Reads an address of `length` bytes. Returns nil for families other than IPv4, IPv6 and unix, and for too few bytes.
    package init?(_ address: UnsafePointer<sockaddr>, length: Int) {
        self.init(UnsafeRawBufferPointer(start: address, count: length))
    }

    /// Reads a `sockaddr`. Returns nil for families other than IPv4, IPv6 and unix, and for too few bytes.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
        switch CInt(bytes.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in.self)
            self = .ip(
                SocketEndpoint(
                    address: .v4(UInt32(bigEndian: address.sin_addr.s_addr)), port: UInt16(bigEndian: address.sin_port)))
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in6.self)
            self = .ip(
                SocketEndpoint(
                    address: IPAddress(address.sin6_addr), port: UInt16(bigEndian: address.sin6_port),
                    zone: address.sin6_scope_id))
        case AF_UNIX:
            let name = bytes.dropFirst(SocketAddress.nameOffset)
            self = .unix(name: name.first == 0 ? Array(name) : Array(name.prefix { $0 != 0 }))
        default: return nil
        }
    }

    /// Reads the address that a socket is bound to, getsockname(2). Returns nil if the call fails, or for other families.
    package init?(localOf fd: CInt) {
        self.init { getsockname(fd, $0, $1) }
    }

    /// Reads the address of a connected socket's peer, getpeername(2). Returns nil if the socket is not connected, or for other
    /// families.
    package init?(peerOf fd: CInt) {
        self.init { getpeername(fd, $0, $1) }
    }

    private init?(_ read: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let address = withUnsafeMutableBytes(of: &storage) { bytes -> SocketAddress? in
            let failed = read(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            return failed == 0 ? SocketAddress(UnsafeRawBufferPointer(rebasing: bytes[..<Int(length)])) : nil
        }
        guard let address else { return nil }
        self = address
    }

    /// Returns a new stream socket of this family, non-blocking and close-on-exec, which the caller must close. Returns -1 with
    /// `errno` set if socket(2) fails.
    package func makeStreamSocket() -> CInt {
        socket(family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    /// The address family, for socket(2).
    package var family: CInt {
        switch self {
        case .ip(let endpoint): if case .v4 = endpoint.address { AF_INET } else { AF_INET6 }
        case .unix: AF_UNIX
        }
    }

    /// The endpoint; nil for a unix socket.
    package var endpoint: SocketEndpoint? {
        if case .ip(let endpoint) = self { endpoint } else { nil }
    }

    /// Calls `body` with the address as a `sockaddr` and its length in bytes. The pointer is valid during the call.
    package func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result) rethrows -> Result {
        var storage = sockaddr_storage()
        let length = withUnsafeMutableBytes(of: &storage) { fill($0) }
        return try withUnsafeBytes(of: storage) { bytes in
            try body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
        }
    }

    /// Writes the `sockaddr` into zeroed memory and returns its length in bytes.
    private func fill(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        bytes.storeBytes(of: sa_family_t(family), as: sa_family_t.self)
        switch self {
        case .ip(let endpoint):
            switch endpoint.address {
            case .v4(let bits):
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = endpoint.port.bigEndian
                address.sin_addr.s_addr = bits.bigEndian
                bytes.storeBytes(of: address, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .v6(let upper, let lower):
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = endpoint.port.bigEndian
                address.sin6_addr = unsafeBitCast((upper.bigEndian, lower.bigEndian), to: in6_addr.self)
                address.sin6_scope_id = endpoint.zone
                bytes.storeBytes(of: address, as: sockaddr_in6.self)
                return MemoryLayout<sockaddr_in6>.size
            }
        case .unix(let name):
            precondition(name.count <= SocketAddress.roomForName, "the name of a unix socket is too long")
            bytes[SocketAddress.nameOffset...].copyBytes(from: name)
            // A path ends with a NUL. An abstract name has none: the length of the address delimits it.
            let hasTerminator = !name.isEmpty && name[0] != 0
            return SocketAddress.nameOffset + name.count + (hasTerminator ? 1 : 0)
        }
    }

    /// `127.0.0.1:80`, `[::1]:80`, or "unix" for every unix socket.
    package var description: String {
        if case .ip(let endpoint) = self { endpoint.description } else { "unix" }
    }
}
