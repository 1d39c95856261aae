internal import Glibc

/// Connecting sockets.
extension Descriptor {
    /// Adopts a socket, connects it and waits until it is connected. Must be called on a hub. Takes ownership of `fd`, also if it
    /// throws.
    ///
    /// A unix socket whose listener has a full backlog is tried again after 1 ms, then 2, up to 16 ms, because the kernel does not
    /// report when there is room (EAGAIN of connect(2)).
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut` or `systemCall` with the reason of the failure.
    package static func connect(_ fd: CInt, to address: SocketAddress, deadline: Deadline = .never) async throws -> Descriptor {
        let deadline = deadline.onThisClock
        var pause = 1
        do {
            while true {
                let failed = address.withSockaddr { Glibc.connect(fd, $0, $1) }
                if failed == 0 || errno == EINPROGRESS { break }
                guard errno == EAGAIN else { throw TandemError.systemCall("connect", errno) }
                guard deadline > .after(.zero) else {
                    throw TandemError(.timedOut, "the listener's backlog was full until the deadline", errno: EAGAIN)
                }
                try await sleep(for: min(.milliseconds(pause), deadline.remaining ?? .milliseconds(pause)))
                pause = min(pause * 2, 16)
            }
        } catch {
            Glibc.close(fd)
            throw error
        }
        let descriptor = try adopt(connecting: fd)
        do {
            while try !descriptor.isConnected() { try await descriptor.wait(for: .writable, deadline: deadline) }
        } catch {
            descriptor.close()
            throw error
        }
        return descriptor
    }

    /// Adopts a socket for which connect(2) was called. Closes it if that fails.
    static func adopt(connecting fd: CInt) throws(TandemError) -> Descriptor {
        do throws(TandemError) { return try Descriptor(adopting: fd) } catch {
            Glibc.close(fd)
            throw error
        }
    }

    /// Returns whether the socket is connected. If not, the next event of the kernel reports that it may be.
    ///
    /// - Throws: `TandemError` `systemCall` with the reason (SO_ERROR of socket(7)) if it cannot be connected, or `closed`.
    func isConnected() throws(TandemError) -> Bool {
        guard !isClosed else { throw TandemError(.closed, "the socket was closed while it was being connected") }
        var error: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length)
        guard error == 0 else { throw .systemCall("connect", error) }
        if SocketAddress(peerOf: fd) != nil { return true }
        foundNothing(to: .writable)
        return false
    }

    /// Whether both ends of the connection are this socket. TCP connects a socket to itself if the kernel chooses the target's
    /// port, on which nobody listens, as the local port (simultaneous open, RFC 9293 section 3.5).
    var isConnectedToItself: Bool {
        guard let local = SocketAddress(localOf: fd) else { return false }
        return local == SocketAddress(peerOf: fd)
    }
}
