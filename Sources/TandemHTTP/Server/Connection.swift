internal import HTTPWire
internal import Tandem

// @unchecked: lives on one hub, in one task; the Descriptor underneath checks it.
/// One client's connection: reads requests one after the other, has them answered, writes the answers in order.
///
/// While it is idle it holds no stack and no buffer: `input` and `output` are lent by the hub's server. Soon it is at rest, and
/// has no task either: it is an object and a descriptor that waits for a byte.
final class Connection: @unchecked Sendable {
    let server: HubServer
    @exclusivity(unchecked) var transport: Transport
    var descriptor: Descriptor { transport.descriptor }
    private(set) lazy var remoteAddress = address.description
    let address: SocketAddress
    /// nil at rest.
    var task: Task<Void, any Error>?
    /// As which its client counts, where there is a limit for each.
    var network: SocketAddress.Network?

    /// The answer in the making will be the last on this connection.
    var mustClose = false
    /// The head of an answer to the present request has been put into the output.
    var hasAnswered = false
    /// The requests so far.
    private(set) var served = 0
    /// Bytes of the present answer up to the end of its head.
    var headBytes = 0
    /// Whether it is under TLS.
    var isSecure: Bool {
        if case .tls = transport { true } else { false }
    }
    /// Waiting for the first byte of a request.
    var isIdle = false
    /// Idle for longer, without a task.
    private(set) var rests = false
    /// When it will have been idle for too long.
    var idleDeadline = Deadline.never
    /// Ends to make room for another.
    var givesWay = false

    @exclusivity(unchecked) private(set) var parser: RequestHeadParser
    @exclusivity(unchecked) var input = InputBuffer()
    @exclusivity(unchecked) var output = OutputBuffer()
    /// A handler, or the closure that streams its answer, runs.
    var handlerRuns = false
    /// Ends the grace of a handler, or the connection's rest.
    var timer: HubTimer?
    /// Why the handler was cancelled, for the log.
    var lostPeer: String?

    var settings: HubServer.Settings { server.settings }

    init(server: HubServer, transport: Transport, remoteAddress: SocketAddress) {
        self.server = server
        self.transport = transport
        address = remoteAddress
        parser = RequestHeadParser(limits: server.settings.configuration.wireLimits)
    }

    // MARK: Life

    /// Serves until either side closes, or the connection is at rest: then it is to be called again as soon as there is
    /// something to read. Returns whether it is at rest. Never throws: what goes wrong on a connection ends that connection.
    func run() async -> Bool {
        descriptor.onPeerChange = { [unowned self] in peerChanged($0) }
        do {
            try await serveAll()
            if rests { return true }
        } catch {
            if let error = answerable(error) { await answer(error) }
        }
        close()
        return false
    }

    @inline(never)
    private func serveAll() async throws {
        if case .tls(let session) = transport, !rests { try await handshake(session) }
        rests = false
        while let head = try await nextHead() {
            served += 1
            try await serve(head)
            if mustClose { break }
            // A client whose requests never run dry shares the hub all the same. `Task.yield` would come back in this very
            // turn, before the hub has looked at its descriptors; a deadline that has passed comes back in the next.
            if served % 64 == 0 { try? await sleep(for: .nanoseconds(1)) }
        }
        if rests { return }
        try await flush()
        if hasAnswered { await lingerBeforeClose() }
    }

    /// What to tell the client of an error; nil when it is cancelled, reset, or too slow: nobody is left to tell.
    @inline(never)
    private func answerable(_ error: any Error) -> HTTPError? {
        if let error = error as? HTTPParseError { return HTTPError(.init(code: error.status), error.reason) }
        return error as? HTTPError
    }

    /// Answers so without reading anything, and ends.
    func refuse(_ error: HTTPError) async {
        await answer(error)
        close()
    }

    @inline(never)
    private func close() {
        timer?.disarm()
        timer = nil
        transport.close()
        output.release(to: server.buffers)
        input.release(to: server.buffers)
    }

    /// Ends the connection, from the server: after its answer when it is busy, and when it is idle after a last look for a
    /// request that has just arrived.
    func drain() {
        mustClose = true
        if isIdle { descriptor.wakeReader() }
    }

    // MARK: Heads

    /// The next request's head; nil when the client has ended, has been idle for too long, or the connection is at rest.
    private func nextHead() async throws -> RequestHead? {
        hasAnswered = false
        var headDeadline: Deadline?
        while true {
            if let head = try takeHead() { return head }
            switch try receive() {
            case .some: continue
            case .end: return nil
            case .nothing: break
            }
            try await flush()
            if mustClose || server.isDraining, !parser.hasStarted { return nil }
            let deadline = awaitsHead(&headDeadline)
            defer { isIdle = false }
            do {
                try await descriptor.wait(for: transport.readWaitsFor, deadline: deadline)
            } catch {
                try isIdle(after: error)
                return nil
            }
        }
    }

    // What follows does not wait, and is called rather than inlined: what it computes would else have room in the frame of
    // `nextHead`, for as long as the connection is idle.

    /// The next head, when all of it has arrived.
    @inline(never)
    private func takeHead() throws(HTTPParseError) -> RequestHead? { input.isEmpty ? nil : try input.parse(&parser) }

    /// Until when to wait for the rest of a head, or for a first byte.
    @inline(never)
    private func awaitsHead(_ headDeadline: inout Deadline?) -> Deadline {
        idleDeadline = .after(settings.configuration.idleTimeout)
        guard parser.hasStarted else {
            isIdle = true
            server.mayHaveIdle = true
            return min(idleDeadline, .after(Connection.restsAfter))
        }
        let deadline = headDeadline ?? .after(settings.configuration.headerTimeout)
        headDeadline = deadline
        return deadline
    }

    /// A wait for a head has failed: returns when the connection has been idle for too long, which is no error, or long enough
    /// to be at rest.
    @inline(never)
    private func isIdle(after error: any Error) throws {
        guard let error = error as? TandemError, error.code == .timedOut else { throw error }
        guard parser.hasStarted else {
            rests = idleDeadline.remaining != .zero && transport.readWaitsFor == .readable
            return
        }
        throw HTTPError(.requestTimeout, "the request's head took longer than \(settings.configuration.headerTimeout)")
    }

    // MARK: Input

    /// How long a body may make no progress, from now.
    var bodyDeadline: Deadline { .after(settings.configuration.bodyTimeout) }

    /// Takes in what has arrived, without waiting.
    @inline(never)
    func receive() throws(TandemError) -> InputBuffer.Received { try input.receive(from: transport, server.buffers) }

    /// Takes the next piece of a body out of the input.
    func decode(_ decoder: inout BodyDecoder) throws(HTTPParseError) -> (BodyStep, [UInt8]) { try input.decode(&decoder) }

    // MARK: Output

    func append(_ bytes: [UInt8]) { withOutput { $0.append(contentsOf: bytes) } }

    func withOutput<Result, Failure: Error>(_ body: (inout [UInt8]) throws(Failure) -> Result) throws(Failure) -> Result {
        try output.write(server.buffers, body)
    }

    /// Sends the output. Throws `CancellationError`, or `TandemError` when the client has gone or takes nothing for too long.
    func flush() async throws {
        while try !flushAvailable() {
            try await descriptor.wait(for: transport.writeWaitsFor, deadline: .after(settings.configuration.writeTimeout))
        }
    }

    /// Sends the output; parks the green thread.
    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws {
        while try !flushAvailable() {
            try descriptor.wait(
                for: transport.writeWaitsFor, deadline: .after(settings.configuration.writeTimeout), file: file, line: line)
        }
    }

    /// Sends what the kernel takes; returns whether that was all.
    @inline(never)
    func flushAvailable() throws(TandemError) -> Bool { try output.send(to: transport, server.buffers) }
}
