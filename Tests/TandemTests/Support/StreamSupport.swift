internal import Glibc
internal import Testing

@testable import Tandem

extension ByteStream {
    func readLine(_ caller: Caller, limit: Int = 65_536, deadline: Deadline = .never) async throws -> String? {
        try await caller.call(
            { try await readLine(limit: limit, deadline: deadline) },
            blocking: { try self.readLine(limit: limit, deadline: deadline) })
    }

    func read(_ caller: Caller, atMost limit: Int, deadline: Deadline = .never) async throws -> [UInt8]? {
        try await caller.call(
            { try await read(atMost: limit, deadline: deadline) },
            blocking: { try self.read(atMost: limit, deadline: deadline) })
    }

    /// Reads at most 64 bytes into memory, as text.
    func readMemory(_ caller: Caller, deadline: Deadline = .never) async throws -> String {
        try await caller.call(
            {
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
                defer { memory.deallocate() }
                let got = try await read(into: memory, deadline: deadline)
                return String(decoding: memory[..<got], as: UTF8.self)
            },
            blocking: {
                try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { memory in
                    String(decoding: memory[..<(try self.read(into: memory, deadline: deadline))], as: UTF8.self)
                }
            })
    }

    func readExactly(_ caller: Caller, _ count: Int, deadline: Deadline = .never) async throws -> [UInt8] {
        try await caller.call(
            { try await readExactly(count, deadline: deadline) },
            blocking: { try self.readExactly(count, deadline: deadline) })
    }

    func write(_ caller: Caller, _ text: String, deadline: Deadline = .never) async throws {
        try await caller.call(
            { try await write(text, deadline: deadline) }, blocking: { try self.write(text, deadline: deadline) })
    }

    func write(_ caller: Caller, bytes: [UInt8], deadline: Deadline = .never) async throws {
        try await caller.call(
            { try await write(bytes, deadline: deadline) }, blocking: { try self.write(bytes, deadline: deadline) })
    }

    func writeMemory(_ caller: Caller, _ bytes: [UInt8], deadline: Deadline = .never) async throws {
        try await caller.call(
            {
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
                defer { memory.deallocate() }
                memory.copyBytes(from: bytes)
                try await write(UnsafeRawBufferPointer(memory), deadline: deadline)
            },
            blocking: { try bytes.withUnsafeBytes { try self.write($0, deadline: deadline) } })
    }

    func finishWriting(_ caller: Caller, deadline: Deadline = .never) async throws {
        try await caller.call(
            { try await finishWriting(deadline: deadline) }, blocking: { try self.finishWriting(deadline: deadline) })
    }

    func wait(_ caller: Caller, for direction: Descriptor.Direction) async throws {
        try await caller.call(
            { try await wait(for: direction, deadline: .never) },
            blocking: { try self.wait(for: direction, deadline: .never, file: #fileID, line: #line) })
    }
}

extension TCPStream {
    static func connect(_ caller: Caller, host: String, port: UInt16, deadline: Deadline = .never) async throws -> TCPStream {
        try await caller.call(
            { try await connect(host: host, port: port, deadline: deadline) },
            blocking: { try connect(host: host, port: port, deadline: deadline) })
    }

    static func connect(_ caller: Caller, to endpoint: SocketEndpoint, deadline: Deadline = .never) async throws -> TCPStream {
        try await caller.call(
            { try await connect(to: endpoint, deadline: deadline) },
            blocking: { try connect(to: endpoint, deadline: deadline) })
    }

    static func connect(
        _ caller: Caller, toAnyOf endpoints: [SocketEndpoint], deadline: Deadline = .never
    ) async throws -> TCPStream {
        try await caller.call(
            { try await connect(toAnyOf: endpoints, deadline: deadline) },
            blocking: { try connect(toAnyOf: endpoints, deadline: deadline) })
    }
}

extension UnixStream {
    static func connect(_ caller: Caller, to address: UnixAddress, deadline: Deadline = .never) async throws -> UnixStream {
        try await caller.call(
            { try await connect(to: address, deadline: deadline) }, blocking: { try connect(to: address, deadline: deadline) })
    }
}

extension TCPListener {
    func accept(_ caller: Caller, deadline: Deadline = .never) async throws -> TCPStream {
        try await caller.call({ try await accept(deadline: deadline) }, blocking: { try self.accept(deadline: deadline) })
    }
}

extension UnixListener {
    func accept(_ caller: Caller, deadline: Deadline = .never) async throws -> UnixStream {
        try await caller.call({ try await accept(deadline: deadline) }, blocking: { try self.accept(deadline: deadline) })
    }
}

/// Two connected streams of the current hub.
func streamPair(bufferSize: CInt? = nil) throws -> (UnixStream, UnixStream) {
    let (a, b) = try descriptorPair(bufferSize: bufferSize)
    return (UnixStream(a, peer: .unnamed), UnixStream(b, peer: .unnamed))
}

/// A TCP connection over the loopback address: the client's and the server's stream.
func tcpPair() async throws -> (TCPStream, TCPStream) {
    let listener = try TCPListener(port: 0)
    defer { listener.close() }
    let client = try await TCPStream.connect(to: listener.local)
    return (client, try await listener.accept())
}

/// The `TandemError` that `body` throws; nil if it throws none.
func tandemError(_ body: () async throws -> Void) async -> TandemError? {
    do {
        try await body()
        return nil
    } catch { return error as? TandemError }
}

/// A listening socket that answers no connection attempt, because its backlog is full.
final class BlackHole: Sendable {
    let endpoint: SocketEndpoint
    private let fds: [CInt]

    init(_ address: IPAddress = .v4(0x7F00_0002)) throws {
        let any = SocketAddress.ip(SocketEndpoint(address: address, port: 0))
        let listener = any.makeStreamSocket()
        guard any.withSockaddr({ bind(listener, $0, $1) }) == 0, listen(listener, 0) == 0,
            let bound = SocketAddress(localOf: listener), let endpoint = bound.endpoint
        else { throw Unexpected("no black hole: errno \(errno)") }
        let clients = (0..<4).map { _ in
            let client = bound.makeStreamSocket()
            _ = bound.withSockaddr { connect(client, $0, $1) }
            return client
        }
        self.endpoint = endpoint
        fds = [listener] + clients
    }

    func close() { for fd in fds { Glibc.close(fd) } }
}

/// A port of the loopback address on which nobody listens.
func deadEndpoint(_ address: IPAddress = .v4(0x7F00_0001)) throws -> SocketEndpoint {
    let any = SocketAddress.ip(SocketEndpoint(address: address, port: 0))
    let fd = any.makeStreamSocket()
    defer { close(fd) }
    guard any.withSockaddr({ bind(fd, $0, $1) }) == 0, let endpoint = SocketAddress(localOf: fd)?.endpoint else {
        throw Unexpected("no free port: errno \(errno)")
    }
    return endpoint
}
