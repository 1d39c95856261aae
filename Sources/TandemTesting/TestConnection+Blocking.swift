public import HTTPTypes
internal import Tandem

/// The same calls in blocking style. Each parks the green thread; on an ordinary OS thread it blocks that.
extension TestConnection {
    /// Sends these bytes, as they are. Throws `TandemError` when the server has gone.
    @available(*, noasync)
    public func send(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await send(bytes) }
    }

    /// Sends this text in UTF-8, as it is: mind the CRLF.
    @available(*, noasync)
    public func send(_ text: String, file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await send(text) }
    }

    /// Sends a request.
    @available(*, noasync)
    public func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil,
        file: StaticString = #fileID, line: UInt = #line
    ) throws {
        try awaiting(file: file, line: line) { try await send(method, path, headers: headers, body: body) }
    }

    /// Ends sending (FIN); the server can still be heard.
    @available(*, noasync)
    public func endSending(file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await endSending() }
    }

    /// Ends the connection; when asked to over TCP with a reset.
    @available(*, noasync)
    public func close(reset: Bool = false, file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await close(reset: reset) }
    }

    /// The next response with its body. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveResponse(
        to method: HTTPRequest.Method = .get, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try awaiting(file: file, line: line) { try await receiveResponse(to: method) }
    }

    /// The head of the next response, its body left to `receivePiece`. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveHead(
        to method: HTTPRequest.Method = .get, interim: Bool = false, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try awaiting(file: file, line: line) { try await receiveHead(to: method, interim: interim) }
    }

    /// The next piece of the body whose head was received; nil at its end. Throws `TestClientError`.
    @available(*, noasync)
    public func receivePiece(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        try awaiting(file: file, line: line) { try await receivePiece() }
    }

    /// All bytes that come until the server closes the connection. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveUntilEnd(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8] {
        try awaiting(file: file, line: line) { try await receiveUntilEnd() }
    }
}
