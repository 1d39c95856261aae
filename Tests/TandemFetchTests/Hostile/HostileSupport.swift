import Glibc
import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

/// Runs `body` with an upstream that runs these scripts. Then checks that the client violated no rule, and that
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

/// A client that trusts the hostile upstreams. Its timeout only serves to fail a test.
func hostileClient(timeout: Duration = .seconds(10)) -> FetchClient {
    var configuration = FetchConfiguration()
    configuration.certificateAuthorities = Upstream.certificate
    configuration.timeout = timeout
    return FetchClient(configuration: configuration)
}

/// Bytes of responses, for scripts.
enum HostileText {
    /// A response with this body and a length.
    static func answer(_ body: String, status: String = "200 OK", fields: String = "") -> [UInt8] {
        Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)".utf8)
    }

    /// The given head and body.
    static func raw(_ text: String) -> [UInt8] { Array(text.utf8) }
}

extension HostileScript {
    /// Responds with the path of the request, so that responses can be told apart.
    static func echo(_ request: HostileRequest) -> HostileScript {
        let body = request.method == "HEAD" ? "" : request.path
        return HostileScript(steps: [.readBody, .send(HostileText.answer(body))])
    }
}

/// Lets threads wait for each other. Every wait ends after 5 seconds.
final class HostileGate: Sendable {
    private let arrived = Mutex(0)

    /// The number of threads that have arrived.
    var count: Int { arrived.withLock { $0 } }

    /// Arrives, and blocks this OS thread until `count` threads have arrived.
    func arrive(andWaitFor count: Int = 0) {
        arrived.withLock { $0 += 1 }
        for _ in 0..<2500 where self.count < count { usleep(2000) }
    }
}

/// Returns the time that `body` takes.
func elapsed(_ body: () async throws -> Void) async rethrows -> Duration {
    let began = ContinuousClock.now
    try await body()
    return ContinuousClock.now - began
}
