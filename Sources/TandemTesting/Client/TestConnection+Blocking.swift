public import HTTPTypes
internal import Tandem

/// The same calls in blocking style. Each parks the green thread; on an ordinary OS thread it blocks the thread.
extension TestConnection {
    /// Connects, and completes the TLS handshake if `options` ask for TLS. Throws `TestClientError`.
    @available(*, noasync)
    public static func connect(
        to address: TestAddress, _ options: TestConnectionOptions = TestConnectionOptions(),
        file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestConnection {
        try awaiting(file: file, line: line) { try await connect(to: address, options) }
    }

    /// Sends these bytes as they are; with TLS, in records. Throws `TestClientError` when the server has closed the connection.
    @available(*, noasync)
    public func send(_ bytes: some Collection<UInt8> & Sendable, file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await send(bytes) }
    }

    /// Sends this text in UTF-8 as it is. Lines of a head end with "\r\n".
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

    /// Sends what the server takes, until the server has taken nothing for as long as `quiet`. Returns how many bytes were sent.
    @available(*, noasync)
    public func sendUntilBlocked(
        _ bytes: [UInt8], quiet: Duration = .milliseconds(200), file: StaticString = #fileID, line: UInt = #line
    ) throws -> Int {
        try awaiting(file: file, line: line) { try await sendUntilBlocked(bytes, quiet: quiet) }
    }

    /// Sends these bytes outside of TLS records.
    @available(*, noasync)
    package func sendUnsealed(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await sendUnsealed(bytes) }
    }

    /// Sends FIN. The connection can still receive.
    @available(*, noasync)
    public func endSending(file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await endSending() }
    }

    /// Closes the connection. With `reset`, a TCP connection ends with RST instead of FIN.
    @available(*, noasync)
    public func close(reset: Bool = false, file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await close(reset: reset) }
    }

    /// Completes a TLS handshake on a connection that was made without TLS. Throws `TestClientError`.
    @available(*, noasync)
    public func startTLS(_ tls: TestTLS, file: StaticString = #fileID, line: UInt = #line) throws {
        try awaiting(file: file, line: line) { try await startTLS(tls) }
    }

    /// Returns the next response with its body. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveResponse(
        to method: HTTPRequest.Method = .get, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try awaiting(file: file, line: line) { try await receiveResponse(to: method) }
    }

    /// Returns the head of the next response. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveHead(
        to method: HTTPRequest.Method = .get, interim: Bool = false, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TestResponse {
        try awaiting(file: file, line: line) { try await receiveHead(to: method, interim: interim) }
    }

    /// Returns the next piece of the body after `receiveHead`, as it arrives; nil at its end. Throws `TestClientError`.
    @available(*, noasync)
    public func receivePiece(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        try awaiting(file: file, line: line) { try await receivePiece() }
    }

    /// Returns the next chunk of a chunked body after `receiveHead`; nil for the last chunk. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveChunk(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        try awaiting(file: file, line: line) { try await receiveChunk() }
    }

    /// Returns all bytes until the server closes the connection. Throws `TestClientError`.
    @available(*, noasync)
    public func receiveUntilEnd(
        orReset: Bool = false, file: StaticString = #fileID, line: UInt = #line
    ) throws -> [UInt8] {
        try awaiting(file: file, line: line) { try await receiveUntilEnd(orReset: orReset) }
    }

    /// Returns the bytes up to and including `text`, as text. Throws `TestClientError`, also when the connection ends before.
    @available(*, noasync)
    public func receive(until text: String, file: StaticString = #fileID, line: UInt = #line) throws -> String {
        try awaiting(file: file, line: line) { try await receive(until: text) }
    }

    /// Waits until bytes or the end of the connection have arrived, and leaves them unread. Returns false after `duration`.
    @available(*, noasync)
    public func hasInput(within duration: Duration, file: StaticString = #fileID, line: UInt = #line) throws -> Bool {
        try awaiting(file: file, line: line) { try await hasInput(within: duration) }
    }
}
