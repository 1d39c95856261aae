internal import Glibc
internal import Tandem

/// A listening socket, non-blocking and close-on-exec. Its owner has to close it.
struct ListeningSocket {
    let fd: CInt
    /// Whether connections speak TLS on it.
    let isTLS: Bool
    /// The file of a unix socket; `close` removes it.
    var file: UnixSocketFile?

    func close() {
        // The file goes first, so that new clients do not find the socket.
        file?.remove()
        Glibc.close(fd)
    }
}

/// The listening sockets of a server. Each hub has one for each address.
///
/// For a TCP address each hub has its own socket (SO_REUSEPORT), and the kernel distributes the clients. Any other socket
/// exists only once: each hub has its own descriptor for it, and the hub that polls first accepts the waiting clients.
struct Listeners {
    /// The bound addresses, with the ports that the kernel has chosen.
    private(set) var addresses: [ListenAddress] = []
    /// The sockets of each hub, by the index of the hub.
    private(set) var sockets: [[ListeningSocket]]

    /// Listens on all addresses, or on none. Throws `TandemError` `cannotListen`, which names the address.
    init(_ wanted: [ListenAddress], hubs: Int, backlog: Int) throws(TandemError) {
        sockets = Array(repeating: [], count: hubs)
        do throws(TandemError) {
            for address in wanted { try open(address, backlog) }
        } catch {
            close()
            throw error
        }
    }

    /// Closes all sockets, before any hub has taken one over.
    func close() { for socket in sockets.joined() { socket.close() } }

    private mutating func open(_ address: ListenAddress, _ backlog: Int) throws(TandemError) {
        switch address.place {
        case .tcp(let host, let port):
            let bound = try openTCP(host, port, address.isTLS, backlog)
            addresses.append(.tcp(host, port: bound, tls: address.isTLS))
        case .unix(let path, let mode):
            let (fd, file) = try UnixBinding.listen(on: path, mode: mode, backlog: backlog)
            try share(fd, isTLS: false, file: file)
            addresses.append(address)
        case .inherited(let name):
            let inherited = try InheritedSockets.ofProcess.take(name)
            for (index, fd) in inherited.enumerated() {
                do throws(TandemError) {
                    try share(fd, isTLS: address.isTLS)
                } catch {
                    for fd in inherited[(index + 1)...] { Glibc.close(fd) }
                    throw error
                }
            }
            addresses.append(address)
        }
    }

    /// Listens on a TCP port and returns the port. The first socket binds without SO_REUSEPORT, so that a port in use is an
    /// error.
    private mutating func openTCP(_ host: String, _ port: Int, _ isTLS: Bool, _ backlog: Int) throws(TandemError) -> Int {
        let isShared = sockets.count > 1
        let wanted = try TCPBinding.endpoint(host: host, port: port)
        let first = try TCPBinding.listen(on: wanted, backlog: backlog, sharingPort: false)
        let bound = SocketAddress(localOf: first)?.endpoint ?? wanted
        let port = Int(bound.port)
        guard isShared else {
            sockets[0].append(ListeningSocket(fd: first, isTLS: isTLS))
            return port
        }
        Glibc.close(first)
        for hub in sockets.indices {
            let fd = try TCPBinding.listen(on: bound, backlog: backlog, sharingPort: true)
            sockets[hub].append(ListeningSocket(fd: fd, isTLS: isTLS))
        }
        return port
    }

    /// Takes ownership of `fd`, and gives every hub a descriptor for its socket.
    private mutating func share(_ fd: CInt, isTLS: Bool, file: UnixSocketFile? = nil) throws(TandemError) {
        sockets[0].append(ListeningSocket(fd: fd, isTLS: isTLS, file: file))
        for hub in sockets.indices.dropFirst() {
            let another = fcntl(fd, F_DUPFD_CLOEXEC, 3)
            guard another >= 0 else {
                let error = errno
                throw TandemError(.cannotListen, "cannot share a listening socket: fcntl: \(text(of: error))", errno: error)
            }
            sockets[hub].append(ListeningSocket(fd: another, isTLS: isTLS, file: file))
        }
    }
}

/// Returns the text of an errno, as strerror(3) does.
func text(of error: CInt) -> String { String(cString: strerror(error)) }
