internal import COpenSSL
internal import Glibc
internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

/// The style in which a call is made.
enum Style: String, CaseIterable, Sendable {
    case async, blocking

    func call<Success: Sendable>(
        _ asynchronous: () async throws -> Success, blocking body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        self == .async ? try await asynchronous() : try await Tandem.blocking(body)
    }
}

extension ByteStream {
    func readLine(_ style: Style, limit: Int = 65_536, deadline: Deadline = .never) async throws -> String? {
        try await style.call(
            { try await readLine(limit: limit, deadline: deadline) },
            blocking: { try self.readLine(limit: limit, deadline: deadline) })
    }

    func read(_ style: Style, atMost limit: Int, deadline: Deadline = .never) async throws -> [UInt8]? {
        try await style.call(
            { try await read(atMost: limit, deadline: deadline) },
            blocking: { try self.read(atMost: limit, deadline: deadline) })
    }

    func readExactly(_ style: Style, _ count: Int, deadline: Deadline = .never) async throws -> [UInt8] {
        try await style.call(
            { try await readExactly(count, deadline: deadline) },
            blocking: { try self.readExactly(count, deadline: deadline) })
    }

    func write(_ style: Style, _ bytes: [UInt8], deadline: Deadline = .never) async throws {
        try await style.call(
            { try await write(bytes, deadline: deadline) }, blocking: { try self.write(bytes, deadline: deadline) })
    }

    func write(_ style: Style, _ text: String) async throws { try await write(style, Array(text.utf8)) }

    func finishWriting(_ style: Style, deadline: Deadline = .never) async throws {
        try await style.call(
            { try await finishWriting(deadline: deadline) }, blocking: { try self.finishWriting(deadline: deadline) })
    }
}

extension TLSStream {
    static func connect(
        _ style: Style, host: String = "localhost", port: UInt16, context: TLSClientContext, deadline: Deadline = .never
    ) async throws -> TLSStream {
        try await style.call(
            { try await connect(host: host, port: port, context: context, deadline: deadline) },
            blocking: { try connect(host: host, port: port, context: context, deadline: deadline) })
    }

    static func connect(
        _ style: Style, over stream: SocketStream, host: String = "localhost", context: TLSClientContext,
        deadline: Deadline = .never
    ) async throws -> TLSStream {
        try await style.call(
            { try await connect(over: stream, host: host, context: context, deadline: deadline) },
            blocking: { try connect(over: stream, host: host, context: context, deadline: deadline) })
    }

    static func accept(
        _ style: Style, over stream: SocketStream, context: TLSContext, deadline: Deadline = .never
    ) async throws -> TLSStream {
        try await style.call(
            { try await accept(over: stream, context: context, deadline: deadline) },
            blocking: { try accept(over: stream, context: context, deadline: deadline) })
    }
}

/// The files and contexts of a test.
struct Site: Sendable {
    let directory = TemporaryDirectory()

    func server(
        _ certificates: [TestCertificate] = [.localhost], protocols: [String] = [],
        _ configure: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSContext {
        var configuration = TLSConfiguration.with(certificates, in: directory)
        configure(&configuration)
        return try TLSContext(configuration, protocols: protocols)
    }

    func client(
        trusting authority: TestCertificate = .authority, _ configure: (inout TLSClientConfiguration) -> Void = { _ in }
    ) throws -> TLSClientContext {
        var configuration = TLSClientConfiguration(authorities: directory.write("ca.pem", authority.certificateText))
        configure(&configuration)
        return try TLSClientContext(configuration)
    }

    /// Returns the files of a client's certificate.
    func files(of certificate: TestCertificate) -> TLSConfiguration.Certificate {
        .init(
            chain: directory.write("client.crt", certificate.certificateText),
            key: directory.write("client.key", certificate.keyText))
    }

    /// Returns a client and a server that are connected by TLS.
    func pair(_ style: Style = .async, minimum: TLSConfiguration.Version = .tls12) async throws -> (TLSStream, TLSStream) {
        let (client, server) = try await tcpPair()
        let (ours, theirs) = (try self.client { $0.minimumVersion = minimum }, try self.server { $0.minimumVersion = minimum })
        let accepting = spawn { try await TLSStream.accept(style, over: server, context: theirs) }
        let connected = try await TLSStream.connect(style, over: client, context: ours)
        return (connected, try await accepting.value)
    }
}

/// A TCP connection over the loopback address: the client's and the server's stream.
func tcpPair() async throws -> (TCPStream, TCPStream) {
    let listener = try TCPListener(port: 0)
    defer { listener.close() }
    let client = try await TCPStream.connect(to: listener.local)
    return (client, try await listener.accept())
}

/// Runs `body` on a hub of its own, and checks that nothing is left there afterwards: no green thread, task, wait, timer or
/// descriptor.
func onHub(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable () async throws -> Void
) async throws {
    let group = try HubGroup(count: 1)
    let hub = group.hubs[0]
    // The task is created here, so that its expectations belong to the running test.
    let outcome = await Task(executorPreference: hub) { () -> Result<Void, any Error> in
        let before = living(hub.statistics)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        let end = Deadline.after(.seconds(5))
        while living(hub.statistics) != before, end > .after(.zero) { try? await sleep(for: .milliseconds(1)) }
        #expect(living(hub.statistics) == before, sourceLocation: sourceLocation)
        return outcome
    }.value
    await group.shutdown()
    try outcome.get()
}

private func living(_ statistics: HubStatistics) -> [Int] {
    [statistics.greenThreads, statistics.tasks, statistics.waits, statistics.timers, statistics.descriptors]
}

/// The `TLSError` that `body` throws; nil if it throws another error, or none.
func tlsError(_ body: () async throws -> Void) async -> TLSError? { await failure(body) as? TLSError }

/// The `TandemError` that `body` throws; nil if it throws another error, or none.
func tandemError(_ body: () async throws -> Void) async -> TandemError? { await failure(body) as? TandemError }

/// The error that `body` throws; nil if it throws none.
func failure(_ body: () async throws -> Void) async -> (any Error)? {
    do {
        try await body()
        return nil
    } catch { return error }
}

/// Lets all others run until `condition` holds.
func turnUntil(sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool) async throws {
    let end = Deadline.after(.seconds(20))
    while !condition() {
        guard end > .after(.zero) else {
            Issue.record("still not so after 20 seconds", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await sleep(for: .milliseconds(1))
    }
}

/// A SHA-256 of bytes that arrive in pieces.
final class Checksum: @unchecked Sendable {
    private let state = EVP_MD_CTX_new()
    private(set) var count = 0

    init() { EVP_DigestInit_ex(state, EVP_sha256(), nil) }
    deinit { EVP_MD_CTX_free(state) }

    func add(_ bytes: [UInt8]) {
        EVP_DigestUpdate(state, bytes, bytes.count)
        count += bytes.count
    }

    func digest() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(state, &digest, nil)
        return digest
    }
}
