internal import CTandem
internal import Glibc

/// Reading, writing and accepting, without waiting and in both styles.
extension Descriptor {
    /// Reads what is there, without waiting: nil when nothing is, 0 bytes at the end. Throws `systemCall` or `closed`.
    public func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard reading.isReady else { return nil }
        while true {
            let got = Glibc.read(fd, buffer.baseAddress, buffer.count)
            if got >= 0 {
                // Short: drained, and the next byte gives a new edge. Not so where messages keep their bounds, at the end
                // of the stream, or once the peer has changed: those edges have passed.
                if got > 0, got < buffer.count, peer.isEmpty, isStream { foundNothing(to: .readable) }
                return got
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                foundNothing(to: .readable)
                return nil
            case let error: throw .systemCall("read", error)
            }
        }
    }

    /// Writes what the kernel takes, without waiting: nil when it takes nothing. Throws `systemCall` or `closed`.
    public func writeAvailable(_ buffer: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        while true {
            // A peer that has gone is an error here, not a SIGPIPE that ends the process.
            let put =
                isSocket
                ? send(fd, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
                : Glibc.write(fd, buffer.baseAddress, buffer.count)
            if put >= 0 { return put }
            switch errno {
            case EINTR: continue
            case ENOTSOCK: isSocket = false
            case EAGAIN:
                foundNothing(to: .writable)
                return nil
            case let error: throw .systemCall("write", error)
            }
        }
    }

    /// Accepts a connection that is there, without waiting: nil when none is. The new number is non-blocking and
    /// close-on-exec, and the caller's to close. Throws `systemCall` or `closed`.
    ///
    /// - Parameter address: Where the peer's `sockaddr` is put; room for a `sockaddr_storage`.
    public func acceptAvailable(
        address: UnsafeMutableRawBufferPointer
    ) throws(TandemError) -> (fd: CInt, addressLength: Int)? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard reading.isReady else { return nil }
        while true {
            var length = socklen_t(address.count)
            let accepted = tandem_accept(fd, address.baseAddress!, &length)
            if accepted >= 0 { return (accepted, Int(length)) }
            switch -accepted {
            // The peer has gone again; the next may be there.
            case EINTR, ECONNABORTED: continue
            case EAGAIN:
                foundNothing(to: .readable)
                return nil
            case let error: throw .systemCall("accept4", error)
            }
        }
    }

    /// Reads at least one byte, or returns 0 at the end of the stream.
    public func read(into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never) async throws -> Int {
        if hub.mustGiveWay { await hub.giveWay() }
        if mayTry(.readable), let got = try readAvailable(into: buffer) {
            hub.charge(bytes: got)
            return got
        }
        while true {
            try await wait(for: .readable, deadline: deadline)
            if let got = try readAvailable(into: buffer) { return got }
        }
    }

    /// Reads at least one byte, or returns 0 at the end of the stream; parks the green thread.
    @available(*, noasync)
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Int {
        _ = try currentFiber("Descriptor.read", file, line)
        if hub.mustGiveWay { hub.giveWay() }
        if mayTry(.readable), let got = try readAvailable(into: buffer) {
            hub.charge(bytes: got)
            return got
        }
        while true {
            try wait(for: .readable, deadline: deadline, file: file, line: line)
            if let got = try readAvailable(into: buffer) { return got }
        }
    }

    /// Writes all of it.
    public func write(_ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never) async throws {
        var rest = buffer[...]
        while !rest.isEmpty {
            if hub.mustGiveWay { await hub.giveWay() }
            if let put = try writeAvailable(UnsafeRawBufferPointer(rebasing: rest)) {
                rest = rest.dropFirst(put)
                hub.charge(bytes: put)
            } else {
                try await wait(for: .writable, deadline: deadline)
            }
        }
    }

    /// Writes all of it; parks the green thread.
    @available(*, noasync)
    public func write(
        _ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        _ = try currentFiber("Descriptor.write", file, line)
        var rest = buffer[...]
        while !rest.isEmpty {
            if hub.mustGiveWay { hub.giveWay() }
            if let put = try writeAvailable(UnsafeRawBufferPointer(rebasing: rest)) {
                rest = rest.dropFirst(put)
                hub.charge(bytes: put)
            } else {
                try wait(for: .writable, deadline: deadline, file: file, line: line)
            }
        }
    }
}
