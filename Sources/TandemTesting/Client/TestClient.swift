public import HTTPTypes
package import Tandem
internal import TandemHTTP

// @unchecked: its state is used only on its hub, where every call goes.
/// A client for tests: it sends requests in either style, to the server of `withTestServer` or to any other.
///
/// It can be used from anywhere, for several requests at once. It reuses a connection that a response has left open. It retries
/// nothing, follows no redirects, and adds no header fields except `Host` and those for the body's framing. No wait takes longer
/// than `TestConnectionOptions.timeout`.
public final class TestClient: @unchecked Sendable {
    private enum Transport {
        case sockets(TestAddress, TestConnectionOptions)
        case inProcess(RouterAnswers)
    }

    private let hub: Hub
    private let transport: Transport
    private let log: TestLog
    private var idle: [TestConnection] = []
    private var opened = 0
    private var open: [ObjectIdentifier: TestConnection] = [:]

    /// Creates a client of a server that this test has not started with `withTestServer`, possibly in another process. It
    /// connects when it sends its first request. Close it at the end of the test.
    ///
    /// Its connections live on the caller's hub or, if the caller is on no hub, on one that the process shares.
    public convenience init(to address: TestAddress, _ options: TestConnectionOptions = TestConnectionOptions()) {
        self.init(hub: .forTestClients, address: address, options, log: TestLog())
    }

    /// Creates a client whose connections live on a certain hub. `log` is the server's.
    package init(hub: Hub, address: TestAddress, _ options: TestConnectionOptions, log: TestLog) {
        (self.hub, self.log) = (hub, log)
        transport = .sockets(address, options)
    }

    /// Creates a client without a server.
    init(hub: Hub, answers: RouterAnswers, log: TestLog) {
        (self.hub, self.log) = (hub, log)
        transport = .inProcess(answers)
    }

    /// The server's TCP port; 0 without one.
    public var port: Int { if case .sockets(let address, _) = transport { address.port } else { 0 } }

    /// Everything that the server of `withTestServer` has logged so far.
    public var logged: [TestLogEntry] { log.entries }

    /// Returns how many connections the client has opened so far.
    @concurrent public func connectionsOpened() async -> Int { await hub.visit { self.opened } }

    /// Closes all connections.
    @concurrent public func close() async { await hub.visit { self.closeHere() } }

    // MARK: Requests

    /// Sends GET, and returns the response, whatever its status. Throws `TestClientError`.
    @concurrent public func get(_ path: String, headers: HTTPFields = [:]) async throws -> TestResponse {
        try await execute(.get, path, headers: headers)
    }

    /// Sends POST, and returns the response, whatever its status. Throws `TestClientError`.
    @concurrent public func post(_ path: String, headers: HTTPFields = [:], body: TestBody? = nil) async throws -> TestResponse {
        try await execute(.post, path, headers: headers, body: body)
    }

    /// Sends a request, and returns the response, whatever its status.
    ///
    /// - Parameter path: The request's target as it is sent: path and query, percent-encoded.
    /// - Parameter method: The method.
    /// - Parameter headers: The header fields. `Host` and the framing of the body are added.
    /// - Parameter body: The body of the request; nil for none.
    /// - Throws: `TestClientError`; `CancellationError`.
    @concurrent public func execute(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil
    ) async throws -> TestResponse {
        try await hub.visit {
            switch self.transport {
            case .sockets: try await self.executeHere(method, path, headers, body)
            case .inProcess(let answers):
                try await self.limited {
                    try await InProcessExchange(answers: answers, log: self.log).response(to: method, path, headers, body)
                }
            }
        }
    }

    /// Runs `body` with the time limit of a wait; without one on a virtual clock, see `TestConnectionOptions.deadline()`.
    private func limited<Success>(_ body: () async throws -> Success) async throws -> Success {
        let limit = TestConnectionOptions().timeout
        guard hub.configuration.clock != .virtual else { return try await body() }
        do {
            return try await withTimeout(limit, body)
        } catch let error as TandemError where error.code == .timedOut {
            throw TestClientError(.timedOut, "the router has not answered for \(limit)")
        }
    }

    /// Opens a connection that only `body` uses, and closes it at the end of `body`.
    public func withConnection<Success: Sendable>(
        _ body: (TestConnection) async throws -> Success
    ) async throws -> Success {
        let connection = try await connect()
        let outcome: Result<Success, any Error>
        do { outcome = .success(try await body(connection)) } catch { outcome = .failure(error) }
        await discarding(connection)
        return try outcome.get()
    }

    /// Opens a connection that only the caller uses. The client closes it at the end of the test, unless the caller does.
    ///
    /// - Parameter options: Settings for this connection; nil for the client's own.
    /// - Throws: `TestClientError`.
    @concurrent public func connect(_ options: TestConnectionOptions? = nil) async throws -> TestConnection {
        try await hub.visit { try await self.newConnection(options) }
    }

    // MARK: On the hub

    /// Closes all connections.
    func closeHere() {
        for connection in open.values { connection.closeHere() }
        (open, idle) = ([:], [])
    }

    private func executeHere(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) async throws -> TestResponse {
        let connection = try await idleOrNewConnection()
        do {
            let response = try await exchange(on: connection, method, path, headers, body)
            if response.closes || !connection.isReusable { discard(connection) } else { idle.append(connection) }
            return response
        } catch {
            discard(connection)
            guard var error = error as? TestClientError else { throw error }
            error.errors = log.claimErrors(of: path)
            throw error
        }
    }

    private func exchange(
        on connection: TestConnection, _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) async throws -> TestResponse {
        // Both at once: a server may answer before it has read the whole body.
        async let sending: Void = connection.sendHere(RequestBytes.of(method, path, headers, body))
        var response = try await connection.receiveResponse(to: method)
        response.errors = log.claimErrors(of: path)
        do { try await sending } catch let error as TestClientError where error.code == .reset { response.closes = true }
        return response
    }

    private func idleOrNewConnection() async throws -> TestConnection {
        while let connection = idle.popLast() {
            if connection.isReusable { return connection }
            discard(connection)
        }
        return try await newConnection(nil)
    }

    private func newConnection(_ options: TestConnectionOptions?) async throws -> TestConnection {
        guard case .sockets(let address, let usual) = transport else {
            throw TestClientError(.noConnection, "a client in process has no connections; use another TestSetup, such as .unix")
        }
        let connection = try await TestConnection.connect(to: address, options ?? usual, on: hub)
        opened += 1
        open[ObjectIdentifier(connection)] = connection
        return connection
    }

    private func discard(_ connection: TestConnection) {
        connection.closeHere()
        open[ObjectIdentifier(connection)] = nil
    }

    @concurrent private func discarding(_ connection: TestConnection) async {
        await hub.visit { self.discard(connection) }
    }
}
