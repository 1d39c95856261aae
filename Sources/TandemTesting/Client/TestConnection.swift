public import HTTPTypes
internal import HTTPWire
package import Tandem

// @unchecked: its state is used only on its hub, where every call goes.
/// One connection to a server: it sends requests or any bytes, and receives responses or any bytes.
///
/// For tests of what goes over the wire: malformed requests, pipelining, streams, half-closed and reset connections. It can be
/// used from anywhere, by one sender and one receiver at a time. No wait takes longer than `TestConnectionOptions.timeout`.
public final class TestConnection: @unchecked Sendable {
    private let hub: Hub
    private let descriptor: Descriptor
    private let options: TestConnectionOptions
    private var isClosed = false
    private var buffer = ReceiveBuffer()
    private var body: BodyReader?
    /// The client's end of TLS; nil without TLS. A test may use it while no call on this connection is under way.
    private(set) package var tls: TLSClientEnd?

    private init(_ descriptor: Descriptor, _ options: TestConnectionOptions) {
        hub = descriptor.hub
        self.descriptor = descriptor
        self.options = options
    }

    /// Connects, and completes the TLS handshake if `options` ask for TLS. Throws `TestClientError`.
    ///
    /// The connection lives on the caller's hub, elsewhere on a hub that the process shares. Close it before its hub stops.
    public static func connect(
        to address: TestAddress, _ options: TestConnectionOptions = TestConnectionOptions()
    ) async throws -> TestConnection {
        try await connect(to: address, options, on: Hub.forTestClients)
    }

    /// Connects on a certain hub.
    package static func connect(
        to address: TestAddress, _ options: TestConnectionOptions, on hub: Hub
    ) async throws -> TestConnection {
        try await hub.visit {
            let connection = TestConnection(try await address.connect(options), options)
            if let tls = options.tls {
                do { try await connection.startTLSHere(tls) } catch {
                    connection.closeHere()
                    throw error
                }
            }
            return connection
        }
    }

    deinit {
        guard !isClosed else { return }
        // Nothing else refers to it any more.
        nonisolated(unsafe) let descriptor = descriptor
        hub.spawn(name: "test connection ends") { descriptor.close() }
    }

    // MARK: Sending

    /// Sends these bytes as they are; with TLS, in records. Throws `TestClientError` when the server has closed the connection.
    @concurrent public func send(_ bytes: some Collection<UInt8> & Sendable) async throws {
        let bytes = Array(bytes)
        try await onHub { try await $0.sendHere(bytes) }
    }

    /// Sends this text in UTF-8 as it is. Lines of a head end with "\r\n".
    @concurrent public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends a request.
    @concurrent public func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [:], body: TestBody? = nil
    ) async throws {
        try await send(RequestBytes.of(method, path, headers, body))
    }

    /// Sends what the server takes, until the server has taken nothing for as long as `quiet`. Returns how many bytes were sent.
    ///
    /// For tests of backpressure, without TLS.
    @concurrent public func sendUntilBlocked(_ bytes: [UInt8], quiet: Duration = .milliseconds(200)) async throws -> Int {
        try await onHub { try await $0.sendUntilBlockedHere(bytes, quiet) }
    }

    /// Sends these bytes outside of TLS records.
    @concurrent package func sendUnsealed(_ bytes: [UInt8]) async throws {
        try await onHub { try await $0.sendUnsealedHere(bytes) }
    }

    /// Sends FIN. The connection can still receive.
    @concurrent public func endSending() async throws { try await onHub { $0.descriptor.endSending() } }

    /// Closes the connection. With `reset`, a TCP connection ends with RST instead of FIN.
    @concurrent public func close(reset: Bool = false) async throws { try await onHub { $0.closeHere(reset: reset) } }

    /// Completes a TLS handshake on a connection that was made without TLS. Throws `TestClientError`.
    @concurrent public func startTLS(_ tls: TestTLS) async throws { try await onHub { try await $0.startTLSHere(tls) } }

    // MARK: Receiving

    /// Returns the next response with its body. Interim responses are in its `interim`.
    ///
    /// - Parameter method: The method of the request; a response to HEAD has no body.
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

    /// Returns the head of the next response. Read its body with `receivePiece`, `receiveChunk` or `receiveUntilEnd`.
    ///
    /// - Parameter interim: Whether an interim response is returned by itself.
    /// - Parameter method: The method.
    /// - Throws: `TestClientError`.
    @concurrent public func receiveHead(
        to method: HTTPRequest.Method = .get, interim: Bool = false
    ) async throws -> TestResponse {
        try await onHub { try await $0.receiveHeadHere(method, interim: interim) }
    }

    /// Returns the next piece of the body after `receiveHead`, as it arrives; nil at its end. Throws `TestClientError`.
    @concurrent public func receivePiece() async throws -> [UInt8]? { try await onHub { try await $0.receivePieceHere() } }

    /// Returns the next chunk of a chunked body after `receiveHead`; nil for the last chunk. Throws `TestClientError`.
    @concurrent public func receiveChunk() async throws -> [UInt8]? { try await onHub { try await $0.receiveChunkHere() } }

    /// Returns all bytes until the server closes the connection. Throws `TestClientError`.
    ///
    /// - Parameter orReset: Whether a reset also counts as the end; otherwise it throws.
    @concurrent public func receiveUntilEnd(orReset: Bool = false) async throws -> [UInt8] {
        try await onHub { connection in
            do { while try await connection.receiveMore() {} } catch let error as TestClientError {
                guard orReset, error.code == .reset else { throw error }
            }
            return connection.buffer.take(connection.buffer.count)
        }
    }

    /// Returns the bytes up to and including `text`, as text. Throws `TestClientError`, also when the connection ends before.
    @concurrent public func receive(until text: String) async throws -> String {
        try await onHub { connection in
            let bytes = Array(text.utf8)
            while true {
                if let length = connection.buffer.length(through: bytes) {
                    return String(decoding: connection.buffer.take(length), as: UTF8.self)
                }
                guard try await connection.receiveMore() else {
                    throw TestClientError(.cutShort, "the connection ended before \"\(text)\" arrived")
                }
            }
        }
    }

    /// Waits until bytes or the end of the connection have arrived, and leaves them unread. Returns false after `duration`.
    @concurrent public func hasInput(within duration: Duration) async throws -> Bool {
        try await onHub { connection in
            let end = Deadline.after(duration)
            while connection.buffer.isEmpty, !connection.descriptor.hasInput {
                guard end > .after(.zero) else { return false }
                try await sleep(for: .milliseconds(1))
            }
            return true
        }
    }

    /// The socket.
    package var fileDescriptor: CInt { descriptor.fd }

    // MARK: On the hub

    private func onHub<Success: Sendable>(
        _ body: @Sendable (TestConnection) async throws -> Success
    ) async throws -> Success {
        try await hub.visit { try await body(self) }
    }

    /// Whether nothing has arrived that no response has used, including the end.
    var isReusable: Bool { buffer.isEmpty && descriptor.peer.isEmpty && body == nil }

    func closeHere(reset: Bool = false) {
        guard !isClosed else { return }
        isClosed = true
        if reset { descriptor.resetOnClose() }
        descriptor.close()
    }

    func sendHere(_ bytes: [UInt8]) async throws {
        try await sendUnsealedHere(try tls?.seal(bytes) ?? bytes)
    }

    private func sendUnsealedHere(_ bytes: [UInt8]) async throws {
        var sent = 0
        while sent < bytes.count {
            if let put = try put(bytes[sent...]) { sent += put } else { try await wait(for: .writable) }
        }
    }

    private func sendUntilBlockedHere(_ bytes: [UInt8], _ quiet: Duration) async throws -> Int {
        var sent = 0
        while sent < bytes.count {
            if let put = try put(bytes[sent...]) {
                sent += put
                continue
            }
            do { try await descriptor.wait(for: .writable, deadline: .after(quiet)) } catch let error as TandemError {
                guard error.code == .timedOut else { throw error }
                return sent
            }
        }
        return sent
    }

    /// Sends what the kernel takes without waiting; nil when it takes nothing.
    private func put(_ bytes: ArraySlice<UInt8>) throws -> Int? {
        do {
            return try bytes.withUnsafeBytes { try descriptor.writeAvailable($0) }
        } catch let error as TandemError {
            throw TestClientError(.reset, "the connection ended while the client was sending: \(error.message)")
        }
    }

    private func startTLSHere(_ options: TestTLS) async throws {
        let end = TLSClientEnd(options)
        while true {
            let isOver: Bool
            do { isOver = try end.advanceHandshake() } catch {
                // The alert that tells the server why.
                try? await sendUnsealedHere(end.taken())
                throw error
            }
            try await sendUnsealedHere(end.taken())
            if isOver { break }
            guard let bytes = try await receiveUnsealed() else {
                throw TestClientError(.cutShort, "the connection ended before the TLS handshake was over")
            }
            end.take(bytes)
        }
        tls = end
    }

    func receiveHeadHere(_ method: HTTPRequest.Method, interim: Bool = false) async throws -> TestResponse {
        body = nil
        var before: [HTTPResponse.Status] = []
        while true {
            var head = ResponseHeadReader()
            while try !head.add(try await line(of: "head")) {}
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
            if !buffer.isEmpty || reader.endsWithConnection {
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
        do throws(HTTPParseError) { return try buffer.decode(with: &body!) } catch {
            throw TestClientError(.malformed, "a response's body is malformed: \(error.reason)")
        }
    }

    private func receiveChunkHere() async throws -> [UInt8]? {
        let text = try await line(of: "chunk")
        guard let size = Int(text, radix: 16), size >= 0 else { throw TestClientError(.malformed, "not a chunk size: \(text)") }
        while buffer.count < size + 2 {
            guard try await receiveMore() else {
                throw TestClientError(.cutShort, "the connection ended in the middle of a chunk")
            }
        }
        let content = buffer.take(size)
        guard buffer.take(2) == [13, 10] else {
            throw TestClientError(.malformed, "a chunk of \(size) bytes does not end with CR LF")
        }
        guard size == 0 else { return content }
        body = nil
        return nil
    }

    /// Returns a line without its CR LF.
    private func line(of part: String) async throws -> String {
        var seen = 0
        while true {
            if let length = buffer.lineLength(after: seen) {
                let line = buffer.take(length)
                guard line.count > 1, line[line.count - 2] == 13 else {
                    throw TestClientError(.malformed, "a line of a response's \(part) does not end with CR LF")
                }
                return String(decoding: line.dropLast(2), as: UTF8.self)
            }
            seen = buffer.count
            guard try await receiveMore() else {
                throw TestClientError(.cutShort, "the connection ended before a response's \(part) did")
            }
        }
    }

    /// Receives more bytes into the buffer. Returns false at the end.
    private func receiveMore() async throws -> Bool {
        while tls?.hasEnded != true, let bytes = try await receiveUnsealed() {
            let opened = try tls?.open(bytes) ?? bytes
            buffer.append(opened)
            if !opened.isEmpty { return true }
        }
        return false
    }

    /// Returns bytes as they have arrived; nil at the end.
    private func receiveUnsealed() async throws -> [UInt8]? {
        while true {
            let bytes: [UInt8]?
            do throws(TandemError) { bytes = try available() } catch {
                throw TestClientError(.reset, "the connection broke: \(error.message)")
            }
            if let bytes { return bytes.isEmpty ? nil : bytes }
            try await wait(for: .readable)
        }
    }

    /// Returns the bytes that can be read without waiting: nil without any, an empty array at the end.
    private func available() throws(TandemError) -> [UInt8]? {
        try withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 1) { bytes throws(TandemError) in
            try descriptor.readAvailable(into: bytes).map { Array(bytes[..<$0]) }
        }
    }

    private func wait(for direction: Descriptor.Direction) async throws {
        do {
            try await descriptor.wait(for: direction, deadline: options.deadline())
        } catch let error as TandemError where error.code == .timedOut {
            let what = direction == .readable ? "sent" : "taken"
            throw TestClientError(.timedOut, "the server has \(what) nothing for \(options.timeout)")
        } catch let error as TandemError where error.code == .closed {
            throw TestClientError(.reset, "the test has closed this connection")
        }
    }
}

extension Hub {
    /// The hub of a test's client: the caller's hub, or otherwise one that the process shares.
    static var forTestClients: Hub { Hub.current ?? HubGroup.shared.hubs[0] }
}
