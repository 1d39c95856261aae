public import HTTPTypes
internal import Tandem

/// The same calls in blocking style. Each parks the green thread; on an ordinary OS thread it blocks the thread.
extension TestClient {
    /// Sends GET, and returns the response, whatever its status. Throws `TestClientError`.
    @available(*, noasync)
    public func get(
        _ path: String, headers: HTTPFields = [:], file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try execute(.get, path, headers: headers, file: file, line: line)
    }

    /// Sends POST, and returns the response, whatever its status. Throws `TestClientError`.
    @available(*, noasync)
    public func post(
        _ path: String, headers: HTTPFields = [:], body: TestBody? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try execute(.post, path, headers: headers, body: body, file: file, line: line)
    }

    /// Sends a request, and returns the response, whatever its status. Throws `TestClientError`; `CancellationError`.
    @available(*, noasync)
    public func execute(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil,
        file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try awaiting(file: file, line: line) { try await execute(method, path, headers: headers, body: body) }
    }

    /// Returns how many connections the client has opened so far.
    @available(*, noasync)
    public func connectionsOpened(file: StaticString = #fileID, line: UInt = #line) throws -> Int {
        try awaiting(file: file, line: line) { await connectionsOpened() }
    }

    /// Closes all connections.
    @available(*, noasync)
    public func close(file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { await close() }
    }

    /// Opens a connection that only the caller uses. The client closes it at the end of the test, unless the caller does.
    ///
    /// - Parameter options: Settings for this connection; nil for the client's own.
    /// - Parameter file: The caller's file, for error messages.
    /// - Parameter line: The caller's line, for error messages.
    /// - Throws: `TestClientError`.
    @available(*, noasync)
    public func connect(
        _ options: TestConnectionOptions? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestConnection {
        try awaiting(file: file, line: line) { try await connect(options) }
    }

    /// Opens a connection that only `body` uses, and closes it at the end of `body`.
    @available(*, noasync)
    @_disfavoredOverload
    public func withConnection<Success: Sendable>(
        file: StaticString = #fileID, line: UInt = #line, _ body: (TestConnection) throws -> Success
    ) throws -> Success {
        try awaiting(file: file, line: line) {
            try await withConnection { connection in try await blocking(name: "test") { try body(connection) } }
        }
    }
}
