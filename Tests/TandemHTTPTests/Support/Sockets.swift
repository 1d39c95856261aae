import Glibc

extension Client {
    /// Connects to a unix socket.
    convenience init(unix path: String) throws {
        self.init(connected: try connectedSocket(unix: path))
    }

    /// Connects to ::1.
    convenience init(ipv6Port port: Int) throws {
        let fd = socket(AF_INET6, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw ClientError.systemCall("socket", errno) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = in_port_t(port).bigEndian
        inet_pton(AF_INET6, "::1", &address.sin6_addr)
        try connectOrClose(fd, &address)
        self.init(connected: fd)
    }
}

private func connectedSocket(unix path: String) throws -> CInt {
    let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard fd >= 0 else { throw ClientError.systemCall("socket", errno) }
    var address = unixAddress(path)
    try connectOrClose(fd, &address)
    return fd
}

private func connectOrClose<Address>(_ fd: CInt, _ address: inout Address) throws {
    let failed = withUnsafeBytes(of: &address) {
        connect(fd, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard failed != 0 else { return }
    let error = errno
    close(fd)
    throw ClientError.systemCall("connect", error)
}

/// The address of a unix socket.
func unixAddress(_ path: String) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    return address
}

/// Binds a unix socket, and listens on it when asked to.
func boundUnixSocket(_ path: String, listens: Bool) throws -> CInt {
    let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var address = unixAddress(path)
    let failed = withUnsafeBytes(of: &address) {
        bind(fd, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard failed == 0, !listens || listen(fd, 8) == 0 else { throw ClientError.systemCall("bind", errno) }
    return fd
}
