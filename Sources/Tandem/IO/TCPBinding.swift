internal import Glibc

/// Binding and listening on a TCP port, for `TCPListener` and for servers with an accept loop of their own.
package enum TCPBinding {
    /// Returns the endpoint to listen on.
    ///
    /// - Parameter host: A numeric IPv4 or IPv6 address, or "localhost" (which is 127.0.0.1).
    /// - Throws: `TandemError` `cannotListen` for any other host, and for a port out of range.
    package static func endpoint(host: String, port: Int) throws(TandemError) -> SocketEndpoint {
        guard let endpoint = SocketEndpoint(listeningHost: host, port: port) else {
            throw TandemError(
                .cannotListen,
                "cannot listen on \"\(host)\" port \(port): expected a numeric IPv4 or IPv6 address or \"localhost\", and a port from 0 to 65535"
            )
        }
        return endpoint
    }

    /// Returns a listening socket, non-blocking and close-on-exec. The caller has to close it. A socket with an IPv6 address
    /// accepts only IPv6 clients, regardless of net.ipv6.bindv6only.
    ///
    /// - Parameters:
    ///   - endpoint: The address; with port 0 the kernel chooses the port.
    ///   - backlog: The maximum number of connections that wait to be accepted, listen(2).
    ///   - sharingPort: Whether several sockets listen on the port (SO_REUSEPORT).
    /// - Throws: `TandemError` `cannotListen` with the errno of the system call that failed, such as EADDRINUSE.
    package static func listen(on endpoint: SocketEndpoint, backlog: Int, sharingPort: Bool) throws(TandemError) -> CInt {
        let address = SocketAddress.ip(endpoint)
        let fd = address.makeStreamSocket()
        guard fd >= 0 else { throw failure("socket", address) }
        do throws(TandemError) {
            // A restart may bind while old connections are still in TIME_WAIT.
            try set(fd, SOL_SOCKET, SO_REUSEADDR, address)
            if sharingPort { try set(fd, SOL_SOCKET, SO_REUSEPORT, address) }
            if address.family == AF_INET6 { try set(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, address) }
            guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw failure("bind", address) }
            guard Glibc.listen(fd, CInt(clamping: backlog)) == 0 else { throw failure("listen", address) }
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
        return TandemError(
            .cannotListen, "cannot listen on \(address): \(call): \(String(cString: strerror(error)))", errno: error)
    }
}

extension SocketEndpoint {
    /// Creates the endpoint to listen on from a host and port of a configuration. Returns nil if the host is neither a numeric
    /// address nor "localhost" (which is 127.0.0.1), or the port is out of range.
    package init?(listeningHost host: String, port: Int) {
        guard let port = UInt16(exactly: port), let address = IPAddress(host == "localhost" ? "127.0.0.1" : host) else {
            return nil
        }
        self.init(address: address, port: port)
    }
}
