internal import CTandem
internal import Glibc

/// Reading, writing and accepting: without waiting, and in both styles. All calls must be made on the hub's thread.
extension Descriptor {
    /// Reads what is available without waiting, read(2). Returns the number of bytes, 0 at the end of the stream, or nil if
    /// nothing is available.
    ///
    /// - Throws: `TandemError` `systemCall` or `closed`.
    public func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard reading.isReady else { return nil }
        while true {
            let got = tandem_read(fd, buffer.baseAddress, buffer.count)
            if got >= 0 {
                // A short read has drained a stream, and the next byte brings a new edge. That does not hold for sockets with
                // message boundaries, at the end of the stream, or after the state of the peer changed, because that edge has
                // passed.
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

    /// Writes as many bytes as the kernel accepts without waiting. Returns their number, or nil if the kernel accepts none. On
    /// sockets it uses send(2) with MSG_NOSIGNAL, on all others write(2).
    ///
    /// - Throws: `TandemError` `systemCall` or `closed`.
    public func writeAvailable(_ buffer: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        while true {
            // A write to a socket whose peer is gone is an error here, not a SIGPIPE that ends the process.
            let put =
                isSocket
                ? tandem_send(fd, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
                : tandem_write(fd, buffer.baseAddress, buffer.count)
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

    /// Ends this side's half of a connection, shutdown(2) with SHUT_WR: the peer reads the end after the bytes that were written.
    ///
    /// - Throws: `TandemError` `closed`, or `systemCall`: ENOTCONN if the connection has already ended in both directions.
    package func finishWriting() throws(TandemError) {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard shutdown(fd, CInt(SHUT_WR)) == 0 else { throw .systemCall("shutdown", errno) }
    }

    /// Accepts a connection without waiting, accept4(2). Returns nil if none is pending. The new descriptor is non-blocking and
    /// close-on-exec. The caller owns it and must close it.
    ///
    /// - Parameter address: Where to write the peer's `sockaddr`; must have room for a `sockaddr_storage`.
    /// - Throws: `TandemError` `systemCall` or `closed`.
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
            // ECONNABORTED: the peer has closed the connection; the next one may be pending.
            case EINTR, ECONNABORTED: continue
            case EAGAIN:
                foundNothing(to: .readable)
                return nil
            case let error: throw .systemCall("accept4", error)
            }
        }
    }

    /// Reads at least one byte; suspends until one is available. Returns the number of bytes, or 0 at the end of the stream.
    ///
    /// - Parameters:
    ///   - buffer: Where to write the bytes; valid until the call returns.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy` or `systemCall`. Then nothing was
    ///   read.
    public func read(into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never) async throws -> Int {
        if hub.mustGiveWay { await hub.giveWay() }
        if mayTry(.readable), let got = try readAvailable(into: buffer) {
            hub.charge(bytes: got)
            return got
        }
        let deadline = deadline.onThisClock
        while true {
            try await wait(for: .readable, deadline: deadline)
            if let got = try readAvailable(into: buffer) { return got }
        }
    }

    /// Reads at least one byte; parks the green thread until one is available. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`, on ordinary OS threads too.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Int {
        _ = try currentFiber("Descriptor.read", file, line)
        if hub.mustGiveWay { hub.giveWay() }
        if mayTry(.readable), let got = try readAvailable(into: buffer) {
            hub.charge(bytes: got)
            return got
        }
        let deadline = deadline.onThisClock
        while true {
            try wait(for: .readable, deadline: deadline, file: file, line: line)
            if let got = try readAvailable(into: buffer) { return got }
        }
    }

    /// Writes all bytes; suspends while the kernel accepts none.
    ///
    /// - Parameters:
    ///   - buffer: The bytes; valid until the call returns.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy` or `systemCall`. Then some of the
    ///   bytes may have been written.
    public func write(_ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never) async throws {
        let deadline = deadline.onThisClock
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

    /// Writes all bytes; parks the green thread while the kernel accepts none. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`, on ordinary OS threads too.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(
        _ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        _ = try currentFiber("Descriptor.write", file, line)
        let deadline = deadline.onThisClock
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
