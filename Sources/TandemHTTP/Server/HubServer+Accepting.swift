internal import Glibc
internal import Logging
internal import Tandem

/// From the listening socket to a connection with a task of its own.
extension HubServer {
    /// Connections that are accepted in one turn.
    private static let mostAccepted = 64

    /// Accepts on one socket until `stop`. Those that others accept on go on when this one fails.
    func accept(on acceptor: Acceptor) async {
        do {
            while !isDraining { try await acceptSome(on: acceptor) }
        } catch {
            // `drain` closes the listener, and cancelling this task ends its wait: neither is news.
            if !isDraining, !Task.isCancelled { logger.critical("cannot accept any more", metadata: ["error": "\(error)"]) }
        }
        acceptor.close()
    }

    private func acceptSome(on acceptor: Acceptor) async throws {
        let mayBeMore: Bool
        do throws(TandemError) {
            mayBeMore = try acceptAvailable(on: acceptor)
        } catch {
            // This listener is closed, or none.
            if error.code != .systemCall || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(error.errno) { throw error }
            return try await backOff(error, until: acceptor.room)
        }
        guard mayBeMore else { return try await acceptor.listener.wait(for: .readable) }
        // Clients that connect without end share the hub with those that have: the next turn comes after a look at all.
        try await sleep(for: .nanoseconds(1))
    }

    /// Accepts what is there, but not without end; returns whether there may be more.
    private func acceptAvailable(on acceptor: Acceptor) throws(TandemError) -> Bool {
        for _ in 0..<HubServer.mostAccepted {
            guard let (fd, address) = try accepted(on: acceptor.listener) else { return false }
            start(fd, address, isTLS: acceptor.isTLS)
        }
        return true
    }

    /// Accepts whom the kernel has connected already: they would be reset when the socket is closed.
    func acceptBacklog(of acceptor: Acceptor) {
        // They may have come since the kernel was asked.
        acceptor.listener.wakeReader()
        for _ in 0...settings.configuration.backlog / HubServer.mostAccepted {
            guard (try? acceptAvailable(on: acceptor)) == true else { return }
        }
    }

    /// Mostly out of descriptors: clients wait in the backlog; asking again at once would only spin.
    private func backOff(_ error: TandemError, until room: Parker) async throws {
        if let count = acceptFailures.add() {
            logger.warning(
                "cannot accept; trying again when a connection has ended, and each 100 ms",
                metadata: ["error": "\(error)", "count": "\(count)"])
        }
        do {
            try await room.park(deadline: .after(.milliseconds(100)))
        } catch let error as TandemError where error.code == .timedOut {
            // Another part of the process may have closed something.
        }
    }

    private func accepted(on listener: Descriptor) throws(TandemError) -> (CInt, SocketAddress)? {
        var address = sockaddr_storage()
        let accepted = try withUnsafeMutableBytes(of: &address) { bytes throws(TandemError) in
            try listener.acceptAvailable(address: bytes)
        }
        return accepted.map { ($0.fd, SocketAddress(address, length: socklen_t($0.addressLength))) }
    }

    private func start(_ fd: CInt, _ address: SocketAddress, isTLS: Bool) {
        let peer = settings.configuration.maxConnectionsPerPeer == nil ? nil : SocketAddress.Network(address)
        let refusal = admit(peer)
        if let refusal {
            report(refusal, address)
            // A handshake would cost more than the answer says.
            guard !isTLS, refusing < HubServer.mostRefusing else {
                observer.metrics?.connectionRefused(.shed)
                close(fd)
                return
            }
            observer.metrics?.connectionRefused(refusal == .serverIsFull ? .limit : .peerLimit)
        }
        if address.family != AF_UNIX {
            var on: CInt = 1
            setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        let transport: Transport
        do throws(TandemError) {
            let descriptor = try Descriptor(adopting: fd)
            do throws(TandemError) {
                transport = try self.transport(over: descriptor, isTLS: isTLS)
            } catch {
                _ = descriptor.relinquish()
                throw error
            }
        } catch {
            logger.error("cannot serve a connection", metadata: ["error": "\(error)"])
            close(fd)
            if refusal == nil { admission.leave(peer) }
            return
        }
        let connection = Connection(server: self, transport: transport, remoteAddress: address)
        connections[ObjectIdentifier(connection)] = connection
        if refusal != nil { refusing += 1 } else { observer.metrics?.connectionBegan() }
        connection.network = peer
        serve(connection, refusal)
    }

    private func transport(over descriptor: Descriptor, isTLS: Bool) throws(TandemError) -> Transport {
        guard isTLS else { return .plain(descriptor) }
        guard let context = tls.current else { throw TandemError(.invalidArgument, "no certificate is configured for TLS") }
        return .tls(try TLSSession(descriptor, context))
    }

    private func report(_ refusal: Admission.Refusal, _ address: SocketAddress) {
        guard let count = refusals[refusal, default: Throttle()].add() else { return }
        logger.warning(
            "connections refused", metadata: ["reason": "\(refusal.reason)", "count": "\(count)", "peer": "\(address)"])
    }
}
