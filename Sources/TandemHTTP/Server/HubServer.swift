internal import Glibc
internal import HTTPWire
internal import Logging
internal import Tandem

// @unchecked: lives on one hub, and is used there only.
/// A server's part on one hub: its listeners, its connections, and the buffers that they borrow.
final class HubServer: @unchecked Sendable {
    let hub: Hub
    let configuration: HTTPServerConfiguration
    let routes: RouteTable
    let logger: Logger
    private(set) var isDraining = false

    private let acceptors: [Acceptor]
    private let tls: TLSContexts
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let connectionEnded = Parker(for: "connections to end")
    let buffers = BufferPool()
    /// What answers a path that no route has.
    let notFound: Handler
    private var unflushed: [Connection] = []
    private var flushTimer: HubTimer?
    private var graceTimer: HubTimer?
    private var graceEnd = Deadline.never
    private var now = HTTPDate(unixSeconds: 0)

    /// Takes over listening sockets, also when it throws. On the hub's thread.
    init(
        hub: Hub, listening sockets: [ListeningSocket], tls: TLSContexts, routes: RouteTable,
        configuration: HTTPServerConfiguration, logger: Logger
    ) throws {
        self.hub = hub
        self.configuration = configuration
        self.routes = routes
        self.tls = tls
        self.logger = logger
        var acceptors: [Acceptor] = []
        for (index, socket) in sockets.enumerated() {
            do throws(TandemError) {
                acceptors.append(try Acceptor(socket))
            } catch {
                for acceptor in acceptors { acceptor.close() }
                for socket in sockets[(index + 1)...] { socket.close() }
                throw error
            }
        }
        self.acceptors = acceptors
        notFound = routes.wrapped(.async { throw HTTPError(.notFound, "nothing is at \($0.path)") }, name: "not found")
        flushTimer = HubTimer(on: hub) { [unowned self] in flushAll() }
        graceTimer = HubTimer(on: hub) { [unowned self] in graceIsOver() }
    }

    var connectionCount: Int { connections.count }

    // MARK: Accepting

    /// Accepts until `stop`, then returns when every connection has ended. Cancelling its task cuts them.
    func run() async {
        await withTaskGroup { tasks in
            for acceptor in acceptors { tasks.addTask { await self.accept(on: acceptor) } }
        }
        while !connections.isEmpty, !Task.isCancelled { try? await connectionEnded.park() }
        if !connections.isEmpty {
            cutAll()
            // A task that is cancelled cannot wait any more; another can.
            await Task(executorPreference: hub) { [self] in
                while !connections.isEmpty { try? await connectionEnded.park() }
            }.value
        }
        flushTimer = nil
        graceTimer = nil
    }

    /// Accepts on one socket until `stop`. Those that others accept on go on when this one fails.
    private func accept(on acceptor: Acceptor) async {
        do {
            while !isDraining { try await acceptSome(on: acceptor) }
        } catch {
            // `drain` closes the listener, and cancelling this task ends its wait: neither is news.
            if !isDraining, !Task.isCancelled { logger.critical("cannot accept any more", metadata: ["error": "\(error)"]) }
        }
        acceptor.close()
    }

    private func acceptSome(on acceptor: Acceptor) async throws {
        guard connections.count < configuration.maxConnections else {
            return try await acceptor.room.park()
        }
        do throws(TandemError) {
            if let (fd, address) = try accepted(on: acceptor.listener) { return start(fd, address, isTLS: acceptor.isTLS) }
        } catch {
            // This listener is closed, or none.
            if error.code != .systemCall || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(error.errno) { throw error }
            // Mostly out of descriptors: clients wait in the backlog; asking again at once would only spin.
            logger.warning("cannot accept, trying again in 100 ms", metadata: ["error": "\(error)"])
            return try await sleep(for: .milliseconds(100))
        }
        try await acceptor.listener.wait(for: .readable)
    }

    private func accepted(on listener: Descriptor) throws(TandemError) -> (CInt, SocketAddress)? {
        var address = sockaddr_storage()
        let accepted = try withUnsafeMutableBytes(of: &address) { bytes throws(TandemError) in
            try listener.acceptAvailable(address: bytes)
        }
        return accepted.map { ($0.fd, SocketAddress(address, length: socklen_t($0.addressLength))) }
    }

    private func start(_ fd: CInt, _ address: SocketAddress, isTLS: Bool) {
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
            return
        }
        let connection = Connection(server: self, transport: transport, remoteAddress: address)
        connections[ObjectIdentifier(connection)] = connection
        // Not by `hub.spawn`, which starts nothing on a hub that stops: `run` is what cancels it and waits for it.
        connection.task = Task(executorPreference: hub) {
            await connection.run()
            self.ended(connection)
        }
    }

    private func transport(over descriptor: Descriptor, isTLS: Bool) throws(TandemError) -> Transport {
        guard isTLS else { return .plain(descriptor) }
        guard let context = tls.current else { throw TandemError(.invalidArgument, "no certificate is configured for TLS") }
        return .tls(try TLSSession(descriptor, context))
    }

    private func ended(_ connection: Connection) {
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        connectionEnded.unpark()
        for acceptor in acceptors { acceptor.room.unpark() }
    }

    // MARK: Stopping

    /// Stops accepting, closes idle connections; busy ones close after their answer, and are cut when the grace is over.
    func stop(grace: Duration) {
        drain()
        let end = Deadline.after(grace)
        guard end < graceEnd else { return }
        graceEnd = end
        graceTimer?.arm(end)
    }

    private func drain() {
        guard !isDraining else { return }
        isDraining = true
        for acceptor in acceptors { acceptor.close() }
        for connection in connections.values { connection.drain() }
    }

    private func graceIsOver() {
        guard !connections.isEmpty else { return }
        logger.warning("grace is over, connections cut", metadata: ["count": "\(connections.count)"])
        cutAll()
    }

    /// Cancels what still runs.
    private func cutAll() {
        for connection in connections.values { connection.task?.cancel() }
    }

    // MARK: Sharing

    /// The second, formatted once a second.
    func date() -> HTTPDate {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        if time.tv_sec != now.unixSeconds { now = HTTPDate(unixSeconds: time.tv_sec) }
        return now
    }

    // MARK: Writing together

    /// Sends this connection's output at the end of the hub's turn, together with what is answered until then.
    func flushLater(_ connection: Connection) {
        if unflushed.isEmpty { flushTimer?.arm(.after(.zero)) }
        unflushed.append(connection)
    }

    private func flushAll() {
        for connection in unflushed {
            // What fails or is left over here, the connection's own next flush meets.
            _ = try? connection.flushAvailable()
        }
        unflushed.removeAll(keepingCapacity: true)
    }
}
