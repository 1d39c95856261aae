internal import Glibc
internal import HTTPWire
internal import Logging
internal import Tandem

// @unchecked: lives on one hub, and is used there only.
/// A server's part on one hub: its listener, its connections, and the buffers that they borrow.
final class HubServer: @unchecked Sendable {
    let hub: Hub
    /// Swapped as a whole by `reload`. Every request reads it, on this hub alone.
    @exclusivity(unchecked) private(set) var configuration: HTTPServerConfiguration
    let routes: RouteTable
    let logger: Logger
    let draining: Draining
    private(set) var isDraining = false
    private(set) var summary = StopSummary()

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
    private let server: HTTPServer
    private var stopTimer: HubTimer?
    private var drainAt = Deadline.never
    private var cutAt = Deadline.never
    private var hasCut = false
    private var now = HTTPDate(unixSeconds: 0)

    /// Takes over a listening socket, also when it throws. On the hub's thread.
    init(
        hub: Hub, listening fd: CInt, routes: RouteTable, configuration: HTTPServerConfiguration, admission: Admission,
        server: HTTPServer
    ) throws {
        self.hub = hub
        self.admission = admission
        mostConnections = Admission.mostByDescriptors()
        self.configuration = configuration
        self.routes = routes
        self.server = server
        logger = server.logger
        draining = server.draining
        do throws(TandemError) {
            listener = try Descriptor(adopting: fd)
        } catch {
            close(fd)
            throw error
        }
        notFound = routes.wrapped(.async { throw HTTPError(.notFound, "nothing is at \($0.path)") }, name: "not found")
        flushTimer = HubTimer(on: hub) { [unowned self] in flushAll() }
        stopTimer = HubTimer(on: hub) { [unowned self] in advanceStop() }
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
        stopTimer = nil
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
                close(fd)
                return
            }
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
        if refusal != nil { refusing += 1 }
        // Not by `hub.spawn`, which starts nothing on a hub that stops: `run` is what cancels it and waits for it.
        connection.task = Task(executorPreference: hub) {
            if let refusal {
                await connection.refuse(HubServer.answer(to: refusal))
                self.refusing -= 1
            } else {
                await connection.run()
                self.admission.leave(peer)
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

    /// Puts another configuration into force.
    func reload(_ configuration: HTTPServerConfiguration) {
        // Let go after the access to the property.
        let old = self.configuration
        self.configuration = configuration
        withExtendedLifetime(old) {}
    }

    /// Drains when the plan's delay is over, and cuts what is left at its end. An earlier plan may be shortened.
    func stop(_ plan: StopPlan) {
        drainAt = min(drainAt, .after(plan.delay))
        cutAt = min(cutAt, .after(plan.total))
        if !isDraining, drainAt.remaining == .zero { drain() }
        stopTimer?.arm(isDraining ? cutAt : drainAt)
    }

    private func advanceStop() {
        guard !isDraining else { return graceIsOver() }
        drain()
        stopTimer?.arm(cutAt)
    }

    /// Accepts no more, closes idle connections; busy ones close after their answer.
    private func drain() {
        acceptBacklog()
        isDraining = true
        listener.close()
        server.drainingBegins()
        summary.idleConnections += connections.values.count { $0.isIdle }
        for connection in connections.values { connection.drain() }
    }

    /// Whom the kernel has connected already would be reset with the listener.
    private func acceptBacklog() {
        // They may have come since the kernel was asked.
        listener.wakeReader()
        for _ in 0...configuration.backlog / HubServer.mostAccepted where (try? acceptAvailable()) != true { return }
    }

    private func graceIsOver() {
        guard !hasCut, !connections.isEmpty else { return }
        logger.warning("grace is over, connections cut", metadata: ["count": "\(connections.count)"])
        cutAll()
    }

    /// Cancels what still runs.
    private func cutAll() {
        if !hasCut { summary.connectionsCut += connections.count }
        hasCut = true
        for connection in connections.values { connection.task?.cancel() }
    }

    /// An answer has been sent in full.
    func answered() {
        if isDraining { summary.requestsEnded += 1 }
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
