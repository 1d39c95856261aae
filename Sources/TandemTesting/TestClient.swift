public import HTTPTypes
internal import Tandem

// @unchecked: its state is touched on the hub only, where every call goes.
/// The client that `withTestServer` gives its body: requests in either style, over real connections.
///
/// Usable from anywhere, and for several requests at once. A connection that a response leaves open serves the next request;
/// nothing is retried, redirects are not followed, no header field is added but `Host` and the body's framing.
public final class TestClient: @unchecked Sendable {
    /// The server's port on 127.0.0.1; 0 in process.
    public let port: Int
    /// How long each wait for the server may take; on a virtual clock it takes as long as it takes.
    public static let timeout = Duration.seconds(30)

    private let hub: Hub
    private let address: TestAddress
    private let log: TestLog
    private var idle: [TestConnection] = []
    private var opened = 0
    private var open: [ObjectIdentifier: TestConnection] = [:]

    init(hub: Hub, address: TestAddress, port: Int, log: TestLog) {
        (self.hub, self.address, self.port, self.log) = (hub, address, port, log)
    }

    /// Everything that the server has logged so far.
    public var logged: [TestLogEntry] { log.entries }

    /// How many connections were opened until now.
    @concurrent public func connectionsOpened() async -> Int { await hub.visit { self.opened } }

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
    /// - Throws: `TestClientError`; `CancellationError`.
    @concurrent public func execute(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil
    ) async throws -> TestResponse {
        try await hub.visit { try await self.executeHere(method, path, headers, body) }
    }

    private func executeHere(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) async throws -> TestResponse {
        let connection = try await connection()
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

    /// Opens a connection of its own, for tests of what goes over the wire and of streams, and closes it when `body` has ended.
    public func withConnection<Success: Sendable>(
        _ body: (TestConnection) async throws -> Success
    ) async throws -> Success {
        let connection = try await opening()
        let outcome: Result<Success, any Error>
        do { outcome = .success(try await body(connection)) } catch { outcome = .failure(error) }
        await discarding(connection)
        return try outcome.get()
    }

    // MARK: On the hub

    /// Closes everything. On the hub.
    func close() {
        for connection in open.values { connection.closeHere() }
        (open, idle) = ([:], [])
    }

    private func exchange(
        on connection: TestConnection, _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) async throws -> TestResponse {
        // Both at once: a server may answer before it has all of a body, or while it reads.
        async let sending: Void = connection.sendHere(RequestBytes.of(method, path, headers, body))
        var response = try await connection.receiveResponse(to: method)
        response.errors = log.claimErrors(of: path)
        do { try await sending } catch is TandemError { response.closes = true }
        return response
    }

    /// One that is idle, or a new one.
    private func connection() async throws -> TestConnection {
        while let connection = idle.popLast() {
            if connection.isReusable { return connection }
            discard(connection)
        }
        return try await newConnection()
    }

    private func newConnection() async throws -> TestConnection {
        let connection = TestConnection(try await address.connect(port: port), timeout: TestClient.timeout, log: log)
        opened += 1
        open[ObjectIdentifier(connection)] = connection
        return connection
    }

    private func discard(_ connection: TestConnection) {
        connection.closeHere()
        open[ObjectIdentifier(connection)] = nil
    }

    @concurrent private func opening() async throws -> TestConnection {
        try await hub.visit { try await self.newConnection() }
    }

    @concurrent private func discarding(_ connection: TestConnection) async {
        await hub.visit { self.discard(connection) }
    }
}
