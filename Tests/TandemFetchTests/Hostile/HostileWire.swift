import Glibc

/// Why a connection of the hostile upstream has ended.
enum HostileWireError: Error {
    /// The client has ended the connection.
    case ended
    /// The client has reset the connection, or broken TLS.
    case failed
    /// No progress within the upstream's time limit.
    case timedOut
}

/// How the upstream ends a connection.
enum HostileEnding: String, CaseIterable, Sendable {
    /// FIN, over TLS after close_notify.
    case proper = "FIN with close_notify"
    /// FIN, over TLS without close_notify.
    case cut = "FIN alone"
    /// FIN after a part of the last bytes, or over TLS of the last record.
    case torn = "FIN inside the last piece"
    /// close_notify over TLS, while TCP stays open; FIN without TLS.
    case notifyOnly = "close_notify alone"
    /// RST.
    case reset = "RST"
}

/// One accepted connection, with or without TLS. Its calls block, with time limits. Used by one thread.
final class HostileWire {
    let fd: CInt
    private let tls: HostileTLSEnd?
    /// When the kernel received the last bytes that were read: the thread may have slept since. On the clock of
    /// `HostileWire.now`.
    private(set) var lastArrival = 0

    /// Takes over `fd`.
    init(_ fd: CInt, tls context: HostileTLSContext?) {
        self.fd = fd
        tls = context.map { HostileTLSEnd($0) }
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        // A client that reads or sends nothing holds the thread no longer than this.
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    deinit { close(fd) }

    /// Makes the TLS handshake, if the connection has TLS.
    func open() throws(HostileWireError) {
        guard let tls else { return }
        while true {
            let isOver = try tls.shakeHands()
            try transmit(tls.drain())
            if isOver { return }
            try feed(tls)
        }
    }

    /// Returns the client's next bytes, at least one.
    func receive() throws(HostileWireError) -> [UInt8] {
        guard let tls else { return try receiveRaw() }
        while true {
            let plain = try tls.open()
            if !plain.isEmpty { return plain }
            if tls.hasEnded { throw .ended }
            try feed(tls)
        }
    }

    /// Whether the client sends something or ends the connection within this time.
    func hasInput(within milliseconds: Int) -> Bool {
        // Bytes that came with the end of the handshake.
        if tls?.hasInput == true { return true }
        var wanted = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, CInt(milliseconds)) > 0
    }

    /// Waits at most this long until the client ends the connection. Returns whether it did. Reads nothing.
    @discardableResult
    func awaitEnd(within milliseconds: Int) -> Bool {
        // POLLRDHUP, a macro that Swift does not import.
        var wanted = pollfd(fd: fd, events: Int16(0x2000), revents: 0)
        return poll(&wanted, 1, CInt(milliseconds)) > 0
    }

    /// Sends `bytes` with one call.
    func send(_ bytes: [UInt8]) throws(HostileWireError) {
        guard let tls else { return try transmit(bytes) }
        try tls.seal(bytes)
        try transmit(tls.drain())
    }

    /// Sends the first half of `bytes`, or over TLS of their ciphertext.
    func sendHalf(_ bytes: [UInt8]) throws(HostileWireError) {
        var bytes = bytes
        if let tls {
            try tls.seal(bytes)
            bytes = tls.drain()
        }
        try transmit(Array(bytes.prefix(bytes.count / 2)))
    }

    /// Sends a session ticket, if the connection has TLS 1.3.
    func sendTicket() throws(HostileWireError) {
        guard let tls else { return }
        tls.writeTicket()
        try transmit(tls.drain())
    }

    /// Ends this side of the connection, or with `.reset` both sides. (`torn` acts like `cut`: see `sendHalf`.)
    func end(_ ending: HostileEnding) {
        switch ending {
        case .reset:
            // Makes close reset the connection, even if the client has read everything.
            var at = linger(l_onoff: 1, l_linger: 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at, socklen_t(MemoryLayout<linger>.size))
        case .proper, .notifyOnly:
            if let tls {
                tls.notifyEnd()
                try? transmit(tls.drain())
                if ending == .notifyOnly { return }
            }
            fallthrough
        case .cut, .torn:
            shutdown(fd, CInt(SHUT_WR))
        }
    }

    // MARK: TCP

    /// Sends `bytes` unencrypted, even if the connection is meant for TLS.
    func sendBeforeTLS(_ bytes: [UInt8]) throws(HostileWireError) { try transmit(bytes) }

    /// Ends the connection without TLS's own end.
    func endTransport(_ ending: HostileEnding) { end(ending == .reset ? .reset : .cut) }

    private func feed(_ tls: HostileTLSEnd) throws(HostileWireError) { tls.feed(try receiveRaw()) }

    private func receiveRaw() throws(HostileWireError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 32 * 1024)
        while true {
            let count = receive(into: &buffer)
            if count > 0 { return Array(buffer.prefix(count)) }
            if count == 0 { throw .ended }
            guard errno == EINTR else { throw errno == EAGAIN ? .timedOut : .failed }
        }
    }

    /// Like recv(2), and records the kernel's time stamp.
    private func receive(into buffer: inout [UInt8]) -> Int {
        // A cmsghdr of 16 bytes, and a timespec.
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { control in
            buffer.withUnsafeMutableBytes { bytes in
                var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                var message = msghdr()
                (message.msg_control, message.msg_controllen) = (control.baseAddress, control.count)
                let count = withUnsafeMutablePointer(to: &vector) { vector in
                    (message.msg_iov, message.msg_iovlen) = (vector, 1)
                    return recvmsg(fd, &message, 0)
                }
                let isStamped = message.msg_controllen >= 32 && control.load(fromByteOffset: 12, as: CInt.self) == SO_TIMESTAMPNS
                lastArrival = isStamped ? Self.nanoseconds(control.load(fromByteOffset: 16, as: timespec.self)) : Self.now
                return count
            }
        }
    }

    /// The clock of the kernel's time stamps, in nanoseconds.
    static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return nanoseconds(time)
    }

    private static func nanoseconds(_ time: timespec) -> Int { time.tv_sec * 1_000_000_000 + time.tv_nsec }

    private func transmit(_ bytes: [UInt8]) throws(HostileWireError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(fd, $0.baseAddress! + sent, $0.count - sent, CInt(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw errno == EAGAIN ? .timedOut : .failed
            }
        }
    }
}
