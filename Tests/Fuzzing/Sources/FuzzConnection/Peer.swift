import FuzzSupport
import Glibc

/// The client's end of a connection: a blocking socket.
final class Peer {
    private var fd: CInt

    init(port: Int) {
        fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        require(fd >= 0, "socket: errno \(errno)")
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        if failed != 0 {
            // Interrupted by the fuzzer's alarm. The connection attempt continues (connect(2)).
            require(errno == EINTR, "connect: errno \(errno)")
            var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            while poll(&poller, 1, 20_000) < 0, errno == EINTR {}
            require(poller.revents == Int16(POLLOUT), "connect: events \(poller.revents)")
        }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends the bytes in pieces that end at `ends`.
    func send(_ bytes: [UInt8], ends: [Int]) {
        var start = 0
        for end in ends {
            while start < end {
                let put = bytes[start..<end].withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
                // Interrupted by the fuzzer's alarm, which affects calls with a timeout.
                if put < 0, errno == EINTR { continue }
                // After a reset, which may be correct, nothing more can be sent.
                if put < 0, [EPIPE, ECONNRESET].contains(errno) { return }
                require(put > 0, "the server hangs: errno \(errno)")
                start += put
            }
        }
    }

    func halfClose() { shutdown(fd, CInt(SHUT_WR)) }

    /// Reads everything until the server ends the connection, and returns whether it was a reset.
    func rest() -> (output: [UInt8], isReset: Bool) {
        var output: [UInt8] = []
        while true {
            let (got, error) = withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { bytes in
                let got = recv(fd, bytes.baseAddress, bytes.count, 0)
                let error = errno
                if got > 0 { output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<got])) }
                return (got, error)
            }
            if got < 0, error == EINTR { continue }
            require(got >= 0 || error == ECONNRESET, "the server hangs: errno \(error)")
            if got <= 0 { return (output, got < 0) }
        }
    }

    func close() { Glibc.close(fd) }

    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}
