internal import Glibc
public import Tandem

// @unchecked: the state belongs to the hub's thread. Every call checks that it runs there, except `close` and `deinit`, which hand
// the session to the hub.
/// A TLS connection (RFC 8446, RFC 5246) by OpenSSL, over a TCP or unix stream. `ByteStream` has its calls and the rules for its use.
///
///     let stream = try TLSStream.connect(host: "example.com", port: 853)            // blocking
///     let stream = try await TLSStream.connect(host: "example.com", port: 853)      // async
///
/// The calls are those of a `TCPStream`, and one task may read while another writes. Three things differ:
///
/// - **The end is authenticated.** A peer ends its side with close_notify. If the connection ends without it, an attacker may have cut
///   the stream short, so a read throws `TLSError` `truncated` in place of returning the end. The bytes that have arrived can still
///   be read with `read(atMost:)`.
/// - **Invalid input is an error of its own**: a read or write throws `TLSError` `protocolViolation` if the peer sends something
///   that is not valid TLS or was changed on the way, and `refusedByPeer` if the peer sends an alert. From then on every call does.
/// - **`finishWriting` sends close_notify** and then ends the TCP half. The peer may still send, if its TLS library supports that: by
///   TLS 1.2 a peer may answer with its own close_notify at once.
///
/// `close` sends close_notify if the socket takes it at once, and does not wait. To be sure that the peer has everything, call
/// `finishWriting`, read to the end, and then close.
public final class TLSStream: ByteStream, @unchecked Sendable {
    /// The hub that the stream belongs to.
    public let hub: Hub
    /// The bytes received and not yet read.
    public let buffer = StreamBuffer()
    /// The result of the handshake: version, cipher, protocol, names.
    public let details: TLSDetails
    /// The address of this end; nil over a unix socket.
    public let local: SocketEndpoint?
    /// The address of the other end; nil over a unix socket.
    public let peer: SocketEndpoint?

    /// The other end, for messages.
    private let peerName: String
    private let session: TLSSession
    /// Whether close_notify was sent, and whether FIN was.
    private var hasNotified = false
    private var hasFinished = false
    /// The largest piece that is sealed at once: one record.
    private static let mostSealed = 16_384

    // TLS may have to write before it can read, and to read before it can write. The caller then waits here, because another caller
    // may wait for that direction of the descriptor.
    private let waitingReader = Parker(for: "TLS read that has to write")
    private let waitingWriter = Parker(for: "TLS write that has to read")

    /// Takes ownership of a session whose handshake is complete.
    init(_ session: TLSSession, _ details: TLSDetails, over stream: SocketStream, peerName: String) {
        self.session = session
        self.details = details
        self.peerName = peerName
        hub = session.descriptor.hub
        let stream = stream as? TCPStream
        (local, peer) = (stream?.local, stream?.peer)
    }

    deinit { TLSStream.end(session) }

    /// Whether the stream was closed. Must be used on the hub's thread.
    public var isClosed: Bool {
        hub.preconditionOnThread("TLSStream.isClosed")
        return session.isReleased
    }

    // MARK: Requirements of ByteStream

    /// Receives what is available without waiting. Ignores `buffer`: applications call `read`.
    ///
    /// - Throws: `TLSError` `truncated`, `protocolViolation` or `refusedByPeer`; `TandemError` `closed`, `hubStopped`, `wrongHub` or
    ///   `systemCall`.
    public func receiveAvailable(into memory: UnsafeMutableRawBufferPointer) throws -> Int? {
        try hub.checkIsCurrent("TLSStream.receiveAvailable")
        let got = try explaining { () throws(TandemError) in try session.readAvailable(into: memory) }
        // An answer to a key update may be in it.
        flushInBackground()
        guard got == 0, !memory.isEmpty, !session.hasPeerNotified else { return got }
        throw TLSError(
            .truncated,
            """
            \(peerName) ended the connection without close_notify: the stream may have been cut short, so use what has arrived only \
            if the protocol shows that it is complete
            """)
    }

    /// Sends as many bytes as possible without waiting, at most one record (16 KiB).
    ///
    /// - Throws: `TLSError` `protocolViolation` or `refusedByPeer`; `TandemError` `closed`, `hubStopped`, `wrongHub` or `systemCall`.
    public func sendAvailable(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
        try hub.checkIsCurrent("TLSStream.sendAvailable")
        guard try explaining({ () throws(TandemError) in try session.flushRest() }) else { return nil }
        guard !hasNotified else {
            throw TandemError(
                .systemCall, "TLSStream.write: this side has ended its half of the stream (errno \(EPIPE))", errno: EPIPE)
        }
        let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(TLSStream.mostSealed))
        return try explaining { () throws(TandemError) in try session.writeAvailable(piece) }
    }

    /// Sends the part of a record that the socket did not take before. Returns false if some of it is left.
    public func flushSending() throws -> Bool {
        try hub.checkIsCurrent("TLSStream.flushSending")
        return try explaining { () throws(TandemError) in try session.flushRest() }
    }

    /// Sends close_notify, and ends this side's half of the connection, shutdown(2). Returns false if the call must be repeated when
    /// the stream is writable.
    public func finishSending() throws -> Bool {
        guard try flushSending() else { return false }
        if !hasNotified {
            guard !session.isReleased else { throw TandemError(.closed, "TLSStream.finishWriting: the stream is closed") }
            guard try explaining({ () throws(TandemError) in try session.prepareNotify() }) else { return false }
            session.sendCloseNotify()
            hasNotified = true
            guard try flushSending() else { return false }
        }
        if !hasFinished {
            hasFinished = true
            try session.descriptor.finishWriting()
        }
        return true
    }

    /// Suspends until the stream may have something to read, its end included, or room to write.
    public func wait(for direction: Descriptor.Direction, deadline: Deadline = .never) async throws {
        try hub.checkIsCurrent("TLSStream.wait")
        switch try way(to: direction) {
        case .now: if hub.charge() { await hub.giveWay() }
        case .descriptor: try await session.descriptor.wait(for: direction, deadline: deadline)
        case .parker(let parker):
            if hub.charge() { await hub.giveWay() }
            try await parker.park(deadline: deadline)
        }
    }

    /// Parks the green thread until the stream may have something to read, its end included, or room to write.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func wait(
        for direction: Descriptor.Direction, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        try requireGreenThread("TLSStream.wait", file, line)
        try hub.checkIsCurrent("TLSStream.wait")
        switch try way(to: direction) {
        case .now: if hub.charge() { hub.giveWay() }
        case .descriptor: try session.descriptor.wait(for: direction, deadline: deadline, file: file, line: line)
        case .parker(let parker):
            if hub.charge() { hub.giveWay() }
            try parker.park(deadline: deadline, file: file, line: line)
        }
    }

    /// Sends close_notify if the socket takes it at once, and closes the socket, close(2). Any thread.
    public func close() {
        if hub.isCurrent { buffer.removeAll() }
        TLSStream.end(session)
    }

    // MARK: Waiting

    /// The place where a caller waits.
    private enum Way {
        /// OpenSSL holds received bytes.
        case now
        case descriptor
        /// The other direction has to progress first.
        case parker(Parker)
    }

    /// Returns where to wait for a direction, and arranges the wake-up.
    private func way(to direction: Descriptor.Direction) throws -> Way {
        guard !session.isReleased else { throw TandemError(.closed, "TLSStream.wait: the stream is closed") }
        if direction == .readable {
            if session.mayHoldInput { return .now }
            guard session.readWaitsFor == .writable else { return .descriptor }
            guard session.hasRest else { return .now }
            let parker = try free(waitingReader, "read")
            flushInBackground()
            return .parker(parker)
        }
        guard session.writeWaitsFor == .readable, !session.hasRest else { return .descriptor }
        let parker = try free(waitingWriter, "write")
        session.descriptor.whenReadable { parker.unpark() }
        return .parker(parker)
    }

    private func free(_ parker: Parker, _ call: String) throws(TandemError) -> Parker {
        guard !parker.isOccupied else {
            throw TandemError(.descriptorBusy, "another call already waits to \(call): one reader and one writer at a time")
        }
        return parker
    }

    /// Sends the rest of a record as fast as the socket takes it, without a caller that waits: an answer to a key update, which no
    /// write follows. Then wakes a reader that waits for it. If sending fails, the next call throws.
    private func flushInBackground() {
        guard session.hasRest else { return }
        guard (try? session.flushRest()) == false else { return waitingReader.unpark() }
        session.descriptor.whenWritable { [weak self] in
            guard let self else { return }
            if self.session.hasRest, !self.session.isReleased { self.flushInBackground() } else { self.waitingReader.unpark() }
        }
    }

    // MARK: Errors and the end

    /// Calls `body`. Throws `TLSError` in place of its error if the peer has broken the protocol or sent an alert.
    private func explaining<Value>(_ body: () throws(TandemError) -> Value) throws -> Value {
        do throws(TandemError) { return try body() } catch {
            guard let violation = session.violation, !session.isReleased else { throw error }
            throw violation.isAlert
                ? TLSError(.refusedByPeer, "\(peerName) ended TLS: \(violation.reason)")
                : TLSError(.protocolViolation, "\(peerName) sent something that is not valid TLS: \(violation.reason)")
        }
    }

    /// Ends a session on its hub; if the hub has ended, closes its descriptor.
    private static func end(_ session: TLSSession) {
        let hub = session.descriptor.hub
        if hub.isCurrent { return session.close() }
        // Only the hub uses the session until it has closed it: this call reads constants only.
        nonisolated(unsafe) let session = session
        Task.detached(executorPreference: hub) {
            if session.descriptor.hub.isCurrent { session.close() } else { session.descriptor.closeOnHub() }
        }
    }
}
