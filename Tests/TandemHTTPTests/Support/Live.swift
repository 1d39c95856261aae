import Logging
import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing
import Tracing

/// The parent of the suites that start servers. Their tests run one after another, because they count the process's descriptors.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum ServerTests {}

/// A running server under test. Its hub, or its hubs, serve nothing else; the clients' connections live on another hub.
final class Live: Sendable {
    let server: HTTPServer
    /// The server's hub; nil when it has several.
    private let hub: Hub?
    /// A client for ordinary requests, which reuses its connections.
    let client: TestClient
    let log: TestLog
    let access: TestAccessLog
    private let running: Task<Void, any Error>
    private let others = Mutex<[TestConnection]>([])

    fileprivate init(
        server: HTTPServer, hub: Hub?, port: Int, log: TestLog, access: TestAccessLog, running: Task<Void, any Error>
    ) {
        self.server = server
        self.hub = hub
        client = TestClient(
            hub: HubGroup.shared.hubs[0], address: .tcp(port: port), TestConnectionOptions(timeout: .seconds(10)), log: log)
        self.log = log
        self.access = access
        self.running = running
    }

    var port: Int { client.port }

    /// Opens a connection, which is closed at the end of the test at the latest.
    func connect(_ options: TestConnectionOptions = TestConnectionOptions(timeout: .seconds(10))) throws -> TestConnection {
        try client.connect(options)
    }

    /// Opens a connection to another of the server's addresses.
    func connect(to address: TestAddress) throws -> TestConnection {
        let connection = try openConnection(to: address)
        others.withLock { $0.append(connection) }
        return connection
    }

    /// Opens a connection over TLS.
    func connectTLS(_ tls: TestTLS = TestTLS()) throws -> TestConnection {
        try connect(TestConnectionOptions(timeout: .seconds(10), tls: tls))
    }

    /// Sends GET on a new connection, and returns the response.
    func get(_ target: String, headers: HTTPFields = [:]) throws -> TestResponse {
        let connection = try connect()
        defer { try? connection.close() }
        try connection.send(.get, target, headers: headers)
        return try connection.receiveResponse()
    }

    /// Sends these bytes on a new connection, and returns the response.
    func exchange(_ bytes: String) throws -> TestResponse {
        let connection = try connect()
        defer { try? connection.close() }
        try connection.send(bytes)
        return try connection.receiveResponse()
    }

    /// Sends these bytes on a new connection, and returns the response. The server must then close the connection with FIN.
    func refusal(of bytes: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> TestResponse {
        let connection = try connect()
        defer { try? connection.close() }
        try connection.send(bytes)
        let response = try connection.receiveResponse()
        #expect(response.interim.isEmpty, "\(bytes.prefix(60))", sourceLocation: sourceLocation)
        #expect(response.closes, "\(bytes.prefix(60))", sourceLocation: sourceLocation)
        #expect(try connection.receiveUntilEnd().isEmpty, "\(bytes.prefix(60))", sourceLocation: sourceLocation)
        return response
    }

    /// Runs async code on the hub of the clients' connections. For many calls in a row, which then need not change threads.
    func onClientHub<Value: Sendable>(_ body: @Sendable () async throws -> Value) throws -> Value {
        try awaiting { try await HubGroup.shared.hubs[0].visit { try await body() } }
    }

    /// Closes all connections of this test.
    fileprivate func closeClients() throws {
        try client.close()
        for connection in others.withLock({ $0 }) { try connection.close() }
    }

    /// Runs `body` on the server's hub. For tests whose server has one hub.
    func onHub<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        guard let hub else { fatalError("which hub? Start the server with hubs: .one") }
        return try blockThread { try await hub.spawn(body).value }
    }

    /// Returns the statistics of the server's hub, without the task that asks. For tests whose server has one hub.
    func statistics() throws -> HubStatistics {
        var statistics = try onHub { Hub.current!.statistics }
        statistics.tasks -= 1
        return statistics
    }

    func connectionCount() throws -> Int { try blockThread { [server] in await server.connectionCount() } }

    /// Waits until the access log has this many entries, and returns all. The server logs a request after it has sent the answer.
    func logged(_ count: Int) -> [AccessLogEntry] {
        _ = eventually { access.entries.count >= count }
        return access.entries
    }

    /// Cancels the task of `run`.
    func cancelRun() { running.cancel() }

    /// Waits until `run` has returned. Throws the error that `run` has thrown.
    func waitUntilEnded() throws { try blockThread { [running] in try await running.value } }
}

/// Opens a connection on a hub that all tests share, so that it does not depend on the hub of the test's own code.
func openConnection(to address: TestAddress) throws -> TestConnection {
    try awaiting {
        try await TestConnection.connect(to: address, TestConnectionOptions(timeout: .seconds(10)), on: HubGroup.shared.hubs[0])
    }
}

/// The number of hubs of a test's server.
enum TestHubs {
    /// The value of TANDEM_TEST_HUBS; without the variable, one.
    case several
    /// One, for a reason, for example because the test counts what the hub does.
    case one(StaticString)

    var count: Int {
        guard case .several = self, let number = getenv("TANDEM_TEST_HUBS") else { return 1 }
        return max(1, Int(atol(number)))
    }
}

extension HTTPServerConfiguration {
    /// Gives the server's hub a virtual clock, and removes the timeouts for clients, which are not on that clock.
    mutating func useVirtualClock() {
        hub.clock = .virtual
        idleTimeout = .seconds(Int64.max)
        headerTimeout = idleTimeout
        bodyTimeout = idleTimeout
        writeTimeout = idleTimeout
    }
}

/// The counts of a hub that must be the same after a server as before it.
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

/// Serves `routes` on a new hub while `body` acts as the clients, on a green thread of another new hub. Afterwards no connection,
/// nothing on the server's hub and no descriptor of the process may be left. The server has the caller's tracer.
///
/// Stricter than `withTestServer`, which is for tests of handlers.
func withServer(
    hubs: TestHubs = .several,
    _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    routes: (Router) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (Live) throws -> Void
) async throws {
    let (log, access) = (TestLog(), TestAccessLog())
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
        // Swift's timers and the shared hubs open descriptors at their first use.
        try blockThread { try await Task.sleep(for: .milliseconds(1)) }
        _ = HubGroup.shared
        let descriptors = openDescriptors()
        let outcome = play(server, tracer, log, access, sourceLocation, body)
        #expect(
            eventually { openDescriptors().isSubset(of: descriptors) }, "descriptors are left", sourceLocation: sourceLocation)
        try outcome.get()
    }
}

/// Runs the server from start to stop. When this returns, nothing refers to the server's hub any more.
private func play(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: TestLog, _ access: TestAccessLog,
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
        try live.closeClients()
        #expect(try eventually { try live.connectionCount() == 0 }, "connections are left", sourceLocation: sourceLocation)
        server.stop(grace: .seconds(2))
        let counts = try thread.wait()
        #expect(counts.after == counts.before, sourceLocation: sourceLocation)
        try outcome.get()
    }
}

/// Runs the server on a new hub. Returns the hub's counts before and after.
private func runHub(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: TestLog, _ access: TestAccessLog, _ started: Promise<Live>
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

/// Runs the server on several hubs, which stop with it.
private func runHubs(
    _ server: HTTPServer, _ tracer: any Tracer, _ log: TestLog, _ access: TestAccessLog, _ started: Promise<Live>
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
