import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HealthCheckTests {
    /// Runs a service that listens at these addresses while `body` checks it.
    private func check(
        _ addresses: [ListenAddress], tls: TLSConfiguration? = nil, status: HTTPResponse.Status = .ok,
        _ body: (DaemonConfiguration) async throws -> Void
    ) async throws {
        let router = Router()
        router.get("/healthz") { _ async in Response(status: status) }
        var configuration = HTTPServerConfiguration()
        configuration.addresses = addresses
        configuration.tls = tls
        try await withServer(router, configuration) { _, server in
            var service = DaemonConfiguration()
            service.http.addresses = try await server.boundAddresses()
            try await body(service)
        }
    }

    /// Checks the service on a new thread, which becomes a hub.
    private func run(_ service: DaemonConfiguration) async throws {
        let ended = Event<Void>()
        Thread.detachNewThread { ended.settle(with: Result { try HealthCheck(of: service).run() }) }
        try await ended.wait()
    }

    private let directory = TemporaryDirectory()
    private var socket: String { directory.path + "/http.sock" }

    @Test func `the check reaches TCP, unix sockets and TLS`() async throws {
        let tls = TLSConfiguration.with([.localhost], in: directory)
        try await check([.tcp("127.0.0.1", port: 0)]) { try await run($0) }
        try await check([.tcp("::1", port: 0)]) { try await run($0) }
        try await check([.unix(socket)]) { try await run($0) }
        try await check([.tcp("127.0.0.1", port: 0, tls: true)], tls: tls) { try await run($0) }
    }

    @Test func `the check prefers an address without TLS`() async throws {
        var service = DaemonConfiguration()
        service.http.addresses = [.tcp("0.0.0.0", port: 443, tls: true), .tcp("::", port: 80)]
        #expect(try HealthCheck(of: service).place == "http://[::1]:80/healthz")
        service.http.addresses = [.tcp("0.0.0.0", port: 443, tls: true)]
        #expect(try HealthCheck(of: service).place == "https://127.0.0.1:443/healthz")
        service.http.addresses = [.inherited("http"), .unix("/run/tandemd/http")]
        #expect(try HealthCheck(of: service).place == "unix:/run/tandemd/http")
        service.http.addresses = [.inherited("http")]
        #expect(throws: DaemonError.self) { try HealthCheck(of: service) }
    }

    @Test func `anything except 200 is unhealthy`() async throws {
        try await check([.unix(socket)], status: .serviceUnavailable) { service in
            await #expect { try await run(service) } throws: { "\($0)" == "unix:\(socket) answers 503" }
        }
        await #expect(throws: DaemonError.self) {
            var service = DaemonConfiguration()
            service.http.addresses = [.unix(socket)]
            try await run(service)
        }
    }
}

extension Event {
    fileprivate func settle(with result: Result<Value, any Error>) {
        switch result {
        case .success(let value): send(value)
        case .failure(let error): fail(error)
        }
    }
}
