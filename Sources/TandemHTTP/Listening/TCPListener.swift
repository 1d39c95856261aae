internal import Glibc
internal import Tandem

/// Binding and listening on a TCP port.
enum TCPListener {
    /// Returns a listening socket, non-blocking and close-on-exec. The caller has to close it. A socket with an IPv6 address
    /// accepts only IPv6 clients, regardless of net.ipv6.bindv6only.
    ///
    /// - Parameter shared: Whether several hubs of this process listen on the port (SO_REUSEPORT).
    /// - Throws: `TandemError` `cannotListen`: for a host that is not a numeric address or a port out of range, and, with the errno,
    ///   for a system call that fails, such as EADDRINUSE.
    static func open(host: String, port: Int, backlog: Int, shared: Bool) throws(TandemError) -> CInt {
        guard let endpoint = ListenAddress.endpoint(host: host, port: port) else {
            throw TandemError(
                .cannotListen,
                "cannot listen on \"\(host)\" port \(port): expected a numeric IPv4 or IPv6 address or \"localhost\", and a port from 0 to 65535"
            )
        }
        let address = SocketAddress.ip(endpoint)
        let fd = socket(address.family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw failure("socket", address) }
        do throws(TandemError) {
            // A restart may bind while old connections are still in TIME_WAIT.
            try set(fd, SOL_SOCKET, SO_REUSEADDR, address)
            if shared { try set(fd, SOL_SOCKET, SO_REUSEPORT, address) }
            if address.family == AF_INET6 { try set(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, address) }
            guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw failure("bind", address) }
            guard listen(fd, CInt(clamping: backlog)) == 0 else { throw failure("listen", address) }
        } catch {
            close(fd)
            throw error
        }
        return fd
    }

    private static func set(_ fd: CInt, _ level: CInt, _ option: CInt, _ address: SocketAddress) throws(TandemError) {
        var on: CInt = 1
        guard setsockopt(fd, level, option, &on, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
            throw failure("setsockopt", address)
        }
    }

    private static func failure(_ call: String, _ address: SocketAddress) -> TandemError {
        let error = errno
        return TandemError(.cannotListen, "cannot listen on \(address): \(call): \(text(of: error))", errno: error)
    }
}
