import Glibc

/// A system call that failed in a test.
struct SystemCallError: Error {
    let call: String
    let code: CInt
}

/// Returns the address of a unix socket.
func unixAddress(_ path: String) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    return address
}

/// Binds a unix socket, and listens on it if `listens` is true. Returns its descriptor.
func boundUnixSocket(_ path: String, listens: Bool) throws -> CInt {
    let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var address = unixAddress(path)
    let failed = withUnsafeBytes(of: &address) {
        bind(fd, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard failed == 0, !listens || listen(fd, 8) == 0 else { throw SystemCallError(call: "bind", code: errno) }
    return fd
}

/// Connects to 127.0.0.1 while the calling thread is blocked: nothing else on its hub runs. Returns the descriptor.
func blockingSocket(port: Int) throws -> CInt {
    let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var timeout = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let failed = withUnsafeBytes(of: &address) {
        connect(fd, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard failed == 0 else { throw SystemCallError(call: "connect", code: errno) }
    return fd
}

/// Reads until the peer closes or resets the connection, then closes the descriptor. Returns the bytes.
func readUntilEnd(_ fd: CInt) throws -> [UInt8] {
    defer { close(fd) }
    var (bytes, piece) = ([UInt8](), [UInt8](repeating: 0, count: 4_096))
    while case let got = read(fd, &piece, piece.count), got != 0 {
        guard got > 0 else {
            guard errno == ECONNRESET else { throw SystemCallError(call: "read", code: errno) }
            break
        }
        bytes += piece[..<got]
    }
    return bytes
}
