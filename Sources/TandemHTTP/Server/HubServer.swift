internal import Glibc
internal import HTTPTypes
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

    private let listener: Descriptor
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let connectionEnded = Parker(for: "connections to end")
    let buffers = BufferPool()
    private let notFound: Handler
    private var unflushed: [Connection] = []
    private var flushTimer: HubTimer?
    private let server: HTTPServer
    private var stopTimer: HubTimer?
    private var drainAt = Deadline.never
    private var cutAt = Deadline.never
    private var hasCut = false
    private var now = HTTPDate(unixSeconds: 0)

    /// Takes over a listening socket, also when it throws. On the hub's thread.
    init(hub: Hub, listening fd: CInt, routes: RouteTable, configuration: HTTPServerConfiguration, server: HTTPServer) throws {
        self.hub = hub
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
        guard connections.count < configuration.maxConnections else {
            return try await connectionEnded.park()
        }
        do throws(TandemError) {
            if let (fd, address) = try accept() { return start(fd, address) }
        } catch {
            // This listener is closed, or none.
            if error.code != .systemCall || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(error.errno) { throw error }
            // Mostly out of descriptors: clients wait in the backlog; asking again at once would only spin.
            logger.warning("cannot accept, trying again in 100 ms", metadata: ["error": "\(error)"])
            return try await sleep(for: .milliseconds(100))
        }
        try await listener.wait(for: .readable)
    }

    private func accept() throws(TandemError) -> (CInt, SocketAddress)? {
        var address = sockaddr_storage()
        let accepted = try withUnsafeMutableBytes(of: &address) { bytes throws(TandemError) in
            try listener.acceptAvailable(address: bytes)
        }
        return accepted.map { ($0.fd, SocketAddress(address, length: socklen_t($0.addressLength))) }
    }

    private func start(_ fd: CInt, _ address: SocketAddress) {
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        let descriptor: Descriptor
        do throws(TandemError) {
            descriptor = try Descriptor(adopting: fd)
        } catch {
            logger.error("cannot serve a connection", metadata: ["error": "\(error)"])
            close(fd)
            return
        }
        let connection = Connection(server: self, descriptor: descriptor, remoteAddress: address)
        connections[ObjectIdentifier(connection)] = connection
        // Not by `hub.spawn`, which starts nothing on a hub that stops: `run` is what cancels it and waits for it.
        connection.task = Task(executorPreference: hub) {
            await connection.run()
            self.ended(connection)
        }
    }

    private func ended(_ connection: Connection) {
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        connectionEnded.unpark()
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
        while connections.count < configuration.maxConnections, let (fd, address) = try? accept() { start(fd, address) }
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

    // MARK: Dispatch

    /// The handler for a request. A request that no route takes gets the server's own.
    func dispatch(_ head: RequestHead, _ body: RequestBody) -> (Int?, Request, Handler, GreenThreadName) {
        let request = Request(head: head, body: body)
        if let refusal = refusal(of: head, body) {
            return (nil, request, .async { _ in throw refusal }, "refused")
        }
        switch routes.match(head) {
        case .found(let index, let parameters):
            let route = routes.routes[index]
            return (index, Request(head: head, parameters: parameters, body: body), route.handler, route.name)
        case .methodNotAllowed(let allowed):
            return (nil, request, methodNotAllowed(head.method, allowed), "method not allowed")
        case .notFound where head.targetForm == .asterisk:
            return (nil, request, .async { _ in Response(status: .noContent) }, "OPTIONS *")
        case .notFound:
            return (nil, request, notFound, "not found")
        }
    }

    /// What is wrong with a well-formed head before any handler sees it.
    private func refusal(of head: RequestHead, _ body: RequestBody) -> HTTPError? {
        if let length = body.contentLength, length > configuration.maxBodyBytes {
            body.connection.mustClose = true
            return HTTPError(
                .contentTooLarge,
                "the body of \(length) bytes is longer than the \(configuration.maxBodyBytes) that this server takes")
        }
        switch head.method {
        case .get, .head, .post, .put, .delete, .patch, .options, .trace: return nil
        default:
            // A method that some route answers is known here.
            guard !routes.routes.contains(where: { $0.method == head.method }) else { return nil }
            return HTTPError(.notImplemented, "this server does not know the method \(head.method.rawValue)")
        }
    }

    private func methodNotAllowed(_ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]) -> Handler {
        let allow: HTTPFields = [.allow: allowed.map(\.rawValue).joined(separator: ", ")]
        if method == .options { return .async { _ in Response(status: .noContent, headers: allow) } }
        return routes.wrapped(
            .async { _ in throw HTTPError(.methodNotAllowed, "\(method.rawValue) is not allowed here", headers: allow) },
            name: "method not allowed")
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
