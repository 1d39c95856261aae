import Glibc
import Synchronization
import Tandem
import TandemHTTP
import Testing
import Tracing

/// All tests of this target: one after the other, because they count what the process has open.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum ServerTests {}

/// A server that runs on a hub of its own, or on several.
final class Live: Sendable {
    let server: HTTPServer
    /// Where there is just one.
    private let hub: Hub?
    let port: Int
    let log: RecordingLog
    let access: RecordingAccessLog
    private let running: Task<Void, any Error>
    private let clients = Mutex<[Client]>([])

    fileprivate init(
        server: HTTPServer, hub: Hub?, port: Int, log: RecordingLog, access: RecordingAccessLog, running: Task<Void, any Error>
    ) {
        self.server = server
        self.hub = hub
        self.port = port
        self.log = log
        self.access = access
        self.running = running
    }

    /// A client, closed at the end of the test at the latest.
    func connect(receiveBuffer: CInt? = nil, sendBuffer: CInt? = nil, timeout: Int = 10) throws -> Client {
        let client = try Client(port: port, receiveBuffer: receiveBuffer, sendBuffer: sendBuffer, timeout: timeout)
        clients.withLock { $0.append(client) }
        return client
    }

    /// A client that has been through a TLS handshake.
    func connectTLS(_ options: TLSClientOptions = TLSClientOptions()) throws -> Client {
        let client = try connect()
        try client.startTLS(options)
        return client
    }

    /// A client on a unix socket, closed at the end of the test at the latest.
    func connect(unix path: String) throws -> Client {
        let client = try Client(unix: path)
        clients.withLock { $0.append(client) }
        return client
    }

    /// One request on a connection of its own.
    func get(_ target: String, fields: String = "") throws -> Answer {
        let client = try connect()
        defer { client.close() }
        try client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
        return try client.answer()
    }

    /// Sends these bytes on a connection of their own, and returns the answer; the server must then close in order.
    func refusal(of bytes: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Answer {
        let client = try connect()
        defer { client.close() }
        try client.send(bytes)
        let answer = try client.answer()
        #expect(answer.closes, "\(bytes.prefix(60))", sourceLocation: sourceLocation)
        #expect(try client.isAtEnd(), "\(bytes.prefix(60))", sourceLocation: sourceLocation)
        return answer
    }

    fileprivate func closeClients() { for client in clients.withLock({ $0 }) { client.close() } }

    /// Runs on the server's hub, from the test's thread. For tests that have their server on one.
    func onHub<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        guard let hub else { fatalError("which hub? Start the server with hubs: .one") }
        return try blockThread { try await hub.spawn(body).value }
    }

    /// What lives on the server's hub. For tests that have their server on one.
    func statistics() throws -> HubStatistics {
        var statistics = try onHub { Hub.current!.statistics }
        // The one that asked.
        statistics.tasks -= 1
        return statistics
    }

    func connectionCount() throws -> Int { try blockThread { [server] in await server.connectionCount() } }

    /// The access log once it has this many entries: a request is logged after its answer has been sent.
    func logged(_ count: Int) -> [AccessLogEntry] {
        _ = eventually { access.entries.count >= count }
        return access.entries
    }

    /// Cancels the task of `run`.
    func cancelRun() { running.cancel() }

    /// Waits until `run` has returned. Throws what it threw.
    func waitUntilEnded() throws { try blockThread { [running] in try await running.value } }
}

/// On how many hubs a test's server runs.
enum TestHubs {
    /// On as many as TANDEM_TEST_HUBS says; without the variable on one.
    case several
    /// On one, for a reason: the test counts what that hub does, say.
    case one(StaticString)

    var count: Int {
        guard case .several = self, let number = getenv("TANDEM_TEST_HUBS") else { return 1 }
        return max(1, Int(atol(number)))
    }
}

extension HTTPServerConfiguration {
    /// Puts the server's hub on a clock of its own, which stands still while anything can run there and jumps to the next
    /// deadline when nothing can; and takes away the deadlines of waiting for a client, who has no part in that clock.
    mutating func useVirtualClock() {
        hub.clock = .virtual
        idleTimeout = .seconds(Int64.max)
        headerTimeout = idleTimeout
        bodyTimeout = idleTimeout
        writeTimeout = idleTimeout
    }
}

/// What must be the same after a server as before it.
struct Counts: Hashable, CustomStringConvertible {
    var greenThreads, waits, timers, tasks, descriptors: Int

    init(_ statistics: HubStatistics) {
        greenThreads = statistics.greenThreads
        waits = statistics.waits
        timers = statistics.timers
        tasks = statistics.tasks
        descriptors = statistics.descriptors
    }

    var description: String {
        "green threads \(greenThreads), waits \(waits), timers \(timers), tasks \(tasks), descriptors \(descriptors)"
    }
}

/// Serves `routes` on a hub of its own while `body` plays the clients on an OS thread of its own. Afterwards nothing may be
/// left: no connection, nothing on the hub, no open descriptor. The caller's tracer is the server's.
func withServer(
    hubs: TestHubs = .several,
    _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    routes: (Router) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (Live) throws -> Void
) async throws {
    let (log, access) = (RecordingLog(), RecordingAccessLog())
    let router = Router()
    routes(router)
    var configuration = HTTPServerConfiguration()
    configuration.port = 0
    configuration.hubs = hubs.count
    configuration.accessLog = access
    configure(&configuration)
    let server = HTTPServer(router: router, configuration: configuration, logger: log.logger)
    let tracer = InstrumentationSystem.tracer
    try await onOwnThread {
        // Swift's own timers and the shared hubs open what they need at their first use.
        try blockThread { try await Task.sleep(for: .milliseconds(1)) }
        _ = HubGroup.shared
        let descriptors = openDescriptors()
        let outcome = play(server, tracer, log, access, sourceLocation, body)
        #expect(eventually { openDescriptors() == descriptors }, "descriptors are left", sourceLocation: sourceLocation)
        try outcome.get()
    }
}

/// The server's whole life. When this returns, nothing holds its hub any more.
private func play(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: RecordingLog, _ access: RecordingAccessLog,
    _ sourceLocation: SourceLocation, _ body: (Live) throws -> Void
) -> Result<Void, any Error> {
    Result {
        let started = Promise<Live>()
        let thread = inBackground {
            try server.configuration.hubs == 1
                ? runHub(server, tracer, log, access, started) : runHubs(server, tracer, log, access, started)
        }
        let live = try started.wait()
        let outcome = Result { try body(live) }
        live.closeClients()
        #expect(try eventually { try live.connectionCount() == 0 }, "connections are left", sourceLocation: sourceLocation)
        server.stop(grace: .seconds(2))
        let counts = try thread.wait()
        #expect(counts.after == counts.before, sourceLocation: sourceLocation)
        try outcome.get()
    }
}

/// The hub's whole life; returns what lived on it before the server and after.
private func runHub(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: RecordingLog, _ access: RecordingAccessLog, _ started: Promise<Live>
) throws -> (before: Counts?, after: Counts?) {
    do {
        return try Hub.run(server.configuration.hub) {
            let hub = Hub.current!
            let before = Counts(hub.statistics)
            let running = hub.spawn(name: "server") { try await withTracer(tracer) { try await server.run() } }
            let port = try await server.waitUntilListening()
            started.settle(
                .success(Live(server: server, hub: hub, port: port, log: log, access: access, running: running)))
            try await running.value
            return (before, Counts(hub.statistics))
        }
    } catch {
        started.settle(.failure(error))
        throw error
    }
}

/// The life of several hubs, which go with their server: what lives on them before and after is nothing.
private func runHubs(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: RecordingLog, _ access: RecordingAccessLog, _ started: Promise<Live>
) throws -> (before: Counts?, after: Counts?) {
    do {
        let running = Task { try await withTracer(tracer) { try await server.run() } }
        let port = try server.waitUntilListening()
        started.settle(
            .success(Live(server: server, hub: nil, port: port, log: log, access: access, running: running)))
        let ended = Promise<Void>()
        Task { ended.settle(await running.result) }
        try ended.wait(seconds: 120)
        return (nil, nil)
    } catch {
        started.settle(.failure(error))
        throw error
    }
}
