public import HTTPTypes
internal import HTTPWire
internal import Tandem

// @unchecked: its state is touched on the hub only, where every call goes.
/// One connection to a test's server: bytes out, responses or bytes in, as a protocol test needs it.
///
/// Usable from anywhere, by one sender and one receiver at a time. `TestClient.withConnection` closes it.
public final class TestConnection: @unchecked Sendable {
    private let hub: Hub
    private let descriptor: Descriptor
    private let timeout: Duration
    private let log: TestLog
    // What has arrived; from `start` on it is not part of anything yet.
    private var buffer: [UInt8] = []
    private var start = 0
    private var body: BodyReader?

    /// On the hub.
    init(_ descriptor: Descriptor, timeout: Duration, log: TestLog) {
        hub = descriptor.hub
        self.descriptor = descriptor
        self.timeout = timeout
        self.log = log
    }

    // MARK: Sending

    /// Sends these bytes, as they are. Throws `TandemError` when the server has gone.
    @concurrent public func send(_ bytes: [UInt8]) async throws {
        try await onHub { try await $0.sendHere(bytes) }
    }

    /// Sends this text in UTF-8, as it is: mind the CRLF.
    @concurrent public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends a request.
    @concurrent public func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil
    ) async throws {
        try await send(RequestBytes.of(method, path, headers, body))
    }

    /// Ends sending (FIN); the server can still be heard.
    @concurrent public func endSending() async throws { try await onHub { $0.descriptor.endSending() } }

    /// Ends the connection; when asked to over TCP with a reset.
    @concurrent public func close(reset: Bool = false) async throws { try await onHub { $0.closeHere(reset: reset) } }

    // MARK: Receiving

    /// The next response with its body; interim ones are noted in it.
    ///
    /// - Parameter method: What it answers; HEAD gets no body.
    /// - Throws: `TestClientError`.
    @concurrent public func receiveResponse(to method: HTTPRequest.Method = .get) async throws -> TestResponse {
        try await onHub { connection in
            var response = try await connection.receiveHeadHere(method)
            while let piece = try await connection.receivePieceHere() { response.body += piece }
            response.trailers = connection.body?.trailers ?? [:]
            connection.body = nil
            return response
        }
    }

    /// The head of the next response, its body left to `receivePiece`. An interim response comes by itself when `interim`
    /// is true. Throws `TestClientError`.
    @concurrent public func receiveHead(
        to method: HTTPRequest.Method = .get, interim: Bool = false
    ) async throws -> TestResponse {
        try await onHub { try await $0.receiveHeadHere(method, interim: interim) }
    }

    /// The next piece of the body whose head was received, as it arrives; nil at its end. Throws `TestClientError`.
    @concurrent public func receivePiece() async throws -> [UInt8]? { try await onHub { try await $0.receivePieceHere() } }

    /// All bytes that come until the server closes the connection. Throws `TestClientError`.
    @concurrent public func receiveUntilEnd() async throws -> [UInt8] {
        try await onHub { connection in
            while try await connection.receiveMore() {}
            return connection.take(connection.buffer.count - connection.start)
        }
    }

    // MARK: On the hub

    private func onHub<Success: Sendable>(
        _ body: @Sendable (TestConnection) async throws -> Success
    ) async throws -> Success {
        try await hub.visit { try await body(self) }
    }

    /// Whether nothing has been heard that no response has used, the end included.
    var isReusable: Bool { start == buffer.count && descriptor.peer.isEmpty && body == nil }

    func closeHere(reset: Bool = false) {
        if reset { descriptor.resetOnClose() }
        descriptor.close()
    }

    func sendHere(_ bytes: [UInt8]) async throws {
        var sent = 0
        while sent < bytes.count {
            let put = try bytes.withUnsafeBytes { try descriptor.writeAvailable(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            if let put { sent += put } else { try await wait(for: .writable) }
        }
    }

    func receiveHeadHere(_ method: HTTPRequest.Method, interim: Bool = false) async throws -> TestResponse {
        body = nil
        var before: [HTTPResponse.Status] = []
        while true {
            var head = ResponseHeadReader()
            while try !head.add(try await line()) {}
            if head.response.status.kind == .informational, !interim, head.response.status != .switchingProtocols {
                before.append(head.response.status)
                continue
            }
            head.response.interim = before
            body = try BodyReader(head, answering: method)
            if body?.endsWithConnection == true { head.response.closes = true }
            return head.response
        }
    }

    func receivePieceHere() async throws -> [UInt8]? {
        while let reader = body {
            if reader.isComplete { break }
            if start < buffer.count || reader.endsWithConnection {
                if let piece = try decode() { return piece }
                if body?.isComplete == true { break }
            }
            guard try await receiveMore() else {
                guard reader.endsWithConnection else {
                    throw TestClientError(.cutShort, "the connection ended in the middle of a response's body")
                }
                break
            }
        }
        body = body.map { BodyReader(done: $0) }
        return nil
    }

    private func decode() throws -> [UInt8]? {
        let bytes = buffer
        do throws(HTTPParseError) {
            let (used, piece) = try body!.decode(bytes.span.bytes.extracting(start..<bytes.count))
            defer { start += used }
            return piece.map { Array(bytes[(start + $0.lowerBound)..<(start + $0.upperBound)]) }
        } catch {
            throw TestClientError(.malformed, "a response's body is malformed: \(error.reason)")
        }
    }

    /// A line without its CRLF.
    private func line() async throws -> String {
        var end = start
        while true {
            if let found = buffer[end...].firstIndex(of: 10) {
                let line = take(found + 1 - start)
                guard line.count > 1, line[line.count - 2] == 13 else {
                    throw TestClientError(.malformed, "a line of a response's head does not end with CR LF")
                }
                return String(decoding: line.dropLast(2), as: UTF8.self)
            }
            let seen = buffer.count - start
            guard try await receiveMore() else {
                throw TestClientError(.cutShort, "the connection ended before a response's head did")
            }
            end = start + seen
        }
    }

    private func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        return Array(buffer[start..<(start + count)])
    }

    /// Whether more has come; false at the end.
    private func receiveMore() async throws -> Bool {
        buffer.removeFirst(start)
        start = 0
        while true {
            let got: Int?
            do throws(TandemError) {
                got = try receiveAvailable()
            } catch {
                throw TestClientError(.cutShort, "the connection broke: \(error.message)")
            }
            if let got { return got > 0 }
            try await wait(for: .readable)
        }
    }

    private func receiveAvailable() throws(TandemError) -> Int? {
        try withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 1) { bytes throws(TandemError) in
            let got = try descriptor.readAvailable(into: bytes)
            if let got { buffer.append(contentsOf: bytes[..<got]) }
            return got
        }
    }

    private func wait(for direction: Descriptor.Direction) async throws {
        // On a virtual clock a time-out says nothing: it would come as soon as all else waits.
        let deadline = hub.configuration.clock == .virtual ? Deadline.never : .after(timeout)
        do {
            try await descriptor.wait(for: direction, deadline: deadline)
        } catch let error as TandemError where error.code == .timedOut {
            throw TestClientError(.timedOut, "the server has sent nothing, or taken nothing, for \(timeout)")
        }
    }
}
