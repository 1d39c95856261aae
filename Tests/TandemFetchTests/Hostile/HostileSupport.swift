import Glibc
import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

/// Runs `body` with an upstream that plays these scripts. Then checks that the client did nothing that it must not do, and that
/// nothing is left of the upstream.
func withHostileUpstream<Success>(
    _ transport: HostileUpstream.Transport = .plain, door: @escaping @Sendable (Int) -> HostileUpstream.Door = { _ in .open },
    sourceLocation: SourceLocation = #_sourceLocation, script: @escaping @Sendable (HostileRequest) -> HostileScript,
    _ body: (HostileUpstream) async throws -> Success
) async throws -> Success {
    let upstream = HostileUpstream(transport, door: door, script: script)
    defer {
        #expect(upstream.stop(), "threads of the upstream are left", sourceLocation: sourceLocation)
        let violations = upstream.ledger.violations
        #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))", sourceLocation: sourceLocation)
    }
    return try await body(upstream)
}

/// A client that trusts the hostile upstreams. No test needs its time-out, except to fail.
func hostileClient(timeout: Duration = .seconds(10)) -> FetchClient {
    var configuration = FetchConfiguration()
    configuration.certificateAuthorities = Upstream.certificate
    configuration.timeout = timeout
    return FetchClient(configuration: configuration)
}

/// Bytes of answers, for scripts.
enum HostileText {
    /// An answer with this body and a length.
    static func answer(_ body: String, status: String = "200 OK", fields: String = "") -> [UInt8] {
        Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)".utf8)
    }

    /// Head and body as they are given.
    static func raw(_ text: String) -> [UInt8] { Array(text.utf8) }
}

extension HostileScript {
    /// Answers with the path of the request, so that each answer can be told from the others.
    static func echo(_ request: HostileRequest) -> HostileScript {
        let body = request.method == "HEAD" ? "" : request.path
        return HostileScript(steps: [.readBody, .send(HostileText.answer(body))])
    }
}

/// Lets threads wait for each other. Every wait ends after 5 seconds.
final class HostileGate: Sendable {
    private let arrived = Mutex(0)

    /// How many have arrived.
    var count: Int { arrived.withLock { $0 } }

    /// Arrives, and blocks this OS thread until so many have.
    func arrive(andWaitFor count: Int = 0) {
        arrived.withLock { $0 += 1 }
        for _ in 0..<2500 where self.count < count { usleep(2000) }
    }
}

/// The time that `body` takes.
func elapsed(_ body: () async throws -> Void) async rethrows -> Duration {
    let began = ContinuousClock.now
    try await body()
    return ContinuousClock.now - began
}
