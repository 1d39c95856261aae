internal import Glibc
internal import HTTPWire
internal import Logging
internal import Tandem

// @unchecked: lives on one hub, and is used there only.
/// A server's part on one hub: its listener, its connections, and the buffers that they borrow.
final class HubServer: @unchecked Sendable {
    let hub: Hub
    let configuration: HTTPServerConfiguration
    let routes: RouteTable
    let logger: Logger
    let observer: RequestObserver
    private(set) var isDraining = false

    let admission: Admission
    /// The most connections that the process has descriptors for.
    let mostConnections: Int
    /// Connections that are ending to make room.
    var givingWay = 0
    /// A connection has become idle since none was found.
    var mayHaveIdle = false
    /// Connections that are being told why they are not served.
    private var refusing = 0
    private var refusals: [Admission.Refusal: Throttle] = [:]
    private var acceptFailures = Throttle()

    private let listener: Descriptor
    private(set) var connections: [ObjectIdentifier: Connection] = [:]
    private let connectionEnded = Parker(for: "connections to end")
    let buffers = BufferPool()
    /// What answers a path that no route has.
    let notFound: Handler
    private var unflushed: [Connection] = []
    private var flushTimer: HubTimer?
    private var graceTimer: HubTimer?
    private var graceEnd = Deadline.never
    private var now = HTTPDate(unixSeconds: 0)

    /// Takes over a listening socket, also when it throws. On the hub's thread.
    init(
        hub: Hub, listening fd: CInt, routes: RouteTable, configuration: HTTPServerConfiguration, admission: Admission,
        logger: Logger
    ) throws {
        self.hub = hub
        self.admission = admission
        mostConnections = Admission.mostByDescriptors()
        self.configuration = configuration
        self.routes = routes
        self.logger = logger
        observer = RequestObserver(configuration.observing, routes: routes.routes, logger: logger)
        do throws(TandemError) {
            listener = try Descriptor(adopting: fd)
        } catch {
            close(fd)
            throw error
        }
        notFound = routes.wrapped(.async { throw HTTPError(.notFound, "nothing is at \($0.path)") }, name: "not found")
        flushTimer = HubTimer(on: hub) { [unowned self] in flushAll() }
        graceTimer = HubTimer(on: hub) { [unowned self] in graceIsOver() }
    }

    var connectionCount: Int { connections.count }

    // MARK: Accepting

    /// Connections that are accepted in one turn.
    private static let mostAccepted = 64

    /// Accepts until `stop`, then returns when every connection has ended. Cancelling its task cuts them.
    func run() async {
        do {
            while !isDraining { try await acceptSome() }
        } catch {
            // `drain` closes the listener, and cancelling this task ends its wait: neither is news.
            if !isDraining, !Task.isCancelled { logger.critical("cannot accept any more", metadata: ["error": "\(error)"]) }
        }
        listener.close()
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

    private func acceptSome() async throws {
        let mayBeMore: Bool
        do throws(TandemError) {
            mayBeMore = try acceptAvailable()
        } catch {
            // This listener is closed, or none.
            if error.code != .systemCall || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(error.errno) { throw error }
            return try await backOff(error)
        }
        guard mayBeMore else { return try await listener.wait(for: .readable) }
        // Clients that connect without end share the hub with those that have: the next turn comes after a look at all.
        try await sleep(for: .nanoseconds(1))
    }

    /// Accepts what is there, but not without end; returns whether there may be more.
    private func acceptAvailable() throws(TandemError) -> Bool {
        for _ in 0..<HubServer.mostAccepted {
            guard let (fd, address) = try accept() else { return false }
            start(fd, address)
        }
        return true
    }

    /// Mostly out of descriptors: clients wait in the backlog; asking again at once would only spin.
    private func backOff(_ error: TandemError) async throws {
        if let count = acceptFailures.add() {
            logger.warning(
                "cannot accept; trying again when a connection has ended, and each 100 ms",
                metadata: ["error": "\(error)", "count": "\(count)"])
        }
        do {
            try await connectionEnded.park(deadline: .after(.milliseconds(100)))
        } catch let error as TandemError where error.code == .timedOut {
            // Another part of the process may have closed something.
        }
    }

    private func accept() throws(TandemError) -> (CInt, SocketAddress)? {
        var address = sockaddr_storage()
        let accepted = try withUnsafeMutableBytes(of: &address) { bytes throws(TandemError) in
            try listener.acceptAvailable(address: bytes)
        }
        return accepted.map { ($0.fd, SocketAddress(address, length: socklen_t($0.addressLength))) }
    }

    private func start(_ fd: CInt, _ address: SocketAddress) {
        let peer = configuration.maxConnectionsPerPeer == nil ? nil : SocketAddress.Network(address)
        let refusal = admit(peer)
        if let refusal {
            report(refusal, address)
            guard refusing < HubServer.mostRefusing else {
                observer.metrics?.connectionRefused(.shed)
                close(fd)
                return
            }
            observer.metrics?.connectionRefused(refusal == .serverIsFull ? .limit : .peerLimit)
        }
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        let descriptor: Descriptor
        do throws(TandemError) {
            descriptor = try Descriptor(adopting: fd)
        } catch {
            logger.error("cannot serve a connection", metadata: ["error": "\(error)"])
            close(fd)
            if refusal == nil { admission.leave(peer) }
            return
        }
        let connection = Connection(server: self, descriptor: descriptor, remoteAddress: address)
        connections[ObjectIdentifier(connection)] = connection
        if refusal != nil { refusing += 1 } else { observer.metrics?.connectionBegan() }
        // Not by `hub.spawn`, which starts nothing on a hub that stops: `run` is what cancels it and waits for it.
        connection.task = Task(executorPreference: hub) {
            if let refusal {
                await connection.refuse(HubServer.answer(to: refusal))
                self.refusing -= 1
            } else {
                await connection.run()
                self.admission.leave(peer)
                self.observer.metrics?.connectionEnded()
            }
            self.ended(connection)
        }
    }

    private func ended(_ connection: Connection) {
        if connection.givesWay { givingWay -= 1 }
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        connectionEnded.unpark()
    }

    private func report(_ refusal: Admission.Refusal, _ address: SocketAddress) {
        guard let count = refusals[refusal, default: Throttle()].add() else { return }
        logger.warning(
            "connections refused", metadata: ["reason": "\(refusal.reason)", "count": "\(count)", "peer": "\(address)"])
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
        listener.close()
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
