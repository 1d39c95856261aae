internal import Glibc
internal import Tandem

/// The address that a test's client connects to.
public struct TestAddress: Hashable, Sendable, CustomStringConvertible {
    private enum Place: Hashable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    private let place: Place

    /// Returns the address of a TCP port.
    ///
    /// - Parameter host: A numeric IPv4 or IPv6 address.
    /// - Parameter port: The port.
    public static func tcp(_ host: String = "127.0.0.1", port: Int) -> TestAddress {
        TestAddress(place: .tcp(host: host, port: port))
    }

    /// Returns the address of a unix socket.
    public static func unix(_ path: String) -> TestAddress { TestAddress(place: .unix(path: path)) }

    /// "127.0.0.1:8080", "[::1]:8080" or the path of the unix socket.
    public var description: String {
        switch place {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }

    /// The port; 0 for a unix socket.
    var port: Int { if case .tcp(_, let port) = place { port } else { 0 } }

    /// Connects, on the current hub. Throws `TestClientError`.
    func connect(_ options: TestConnectionOptions) async throws -> Descriptor {
        guard let address = socketAddress else {
            throw TestClientError(.notConnected, "\(self) is not a numeric address and port, or a short path")
        }
        let fd = address.makeStreamSocket()
        guard fd >= 0 else { throw failure("socket", errno) }
        do { try setUp(fd, options) } catch {
            close(fd)
            throw error
        }
        do {
            return try await Descriptor.connect(fd, to: address, deadline: options.deadline())
        } catch let error as TandemError where error.code == .timedOut {
            throw timedOut(options)
        } catch let error as TandemError where error.code == .systemCall {
            throw failure("connect", error.errno)
        }
    }

    private var socketAddress: SocketAddress? {
        switch place {
        case .tcp: SocketEndpoint(description).map { .ip($0) }
        case .unix(let path): SocketAddress(unixPath: path)
        }
    }

    private func setUp(_ fd: CInt, _ options: TestConnectionOptions) throws {
        if let bytes = options.receiveBuffer { setOption(fd, SOL_SOCKET, SO_RCVBUF, CInt(bytes)) }
        if let bytes = options.sendBuffer { setOption(fd, SOL_SOCKET, SO_SNDBUF, CInt(bytes)) }
        guard case .tcp = place else { return }
        setOption(fd, CInt(IPPROTO_TCP), TCP_NODELAY, CInt(1))
        guard let source = options.source else { return }
        guard let endpoint = SocketEndpoint(source.contains(":") ? "[\(source)]:0" : "\(source):0") else {
            throw TestClientError(.notConnected, "the source \(source) is not a numeric address")
        }
        guard SocketAddress.ip(endpoint).withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw failure("bind", errno) }
    }

    private func failure(_ call: String, _ error: CInt) -> TestClientError {
        TestClientError(
            .notConnected, "the test's client cannot connect to \(self): \(call): \(String(cString: strerror(error)))")
    }

    private func timedOut(_ options: TestConnectionOptions) -> TestClientError {
        TestClientError(.timedOut, "the test's client could not connect to \(self) within \(options.timeout)")
    }
}

private func setOption(_ fd: CInt, _ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
}
