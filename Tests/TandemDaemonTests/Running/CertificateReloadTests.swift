import Foundation
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// SIGHUP after a renewal of certificates.
@Suite(.timeLimit(.minutes(1)))
struct CertificateReloadTests {
    private let directory = TemporaryDirectory()

    /// Makes a certificate, and replaces the files of the previous one.
    private func makeCertificate(for name: String) -> TLSConfiguration.Certificate {
        TLSConfiguration.with([TestCertificate([name])], in: directory).certificates[0]
    }

    @Test func `renewed certificates are served, and invalid ones are refused`() async throws {
        let files = makeCertificate(for: "first.test")
        let daemon = try Daemon(
            ["serve"],
            environment: [
                "TANDEM_HTTP_LISTEN": "127.0.0.1:0 tls", "TANDEM_HTTP_HUBS": "2",
                "TANDEM_TLS_CERTIFICATES": "\(files.chain) \(files.key)",
            ])
        try await daemon.awaitError("with 2 hubs")
        let line = try #require(daemon.errors.firstMatch(of: /https:\/\/127.0.0.1:([0-9]+) with/))
        let port = try #require(Int(line.1))
        #expect(try await servedName(port: port) == "first.test")

        try "hello".write(toFile: files.chain, atomically: true, encoding: .utf8)
        daemon.send(SIGHUP)
        try await daemon.awaitError("stays in force")
        #expect(daemon.errors.contains("\(files.chain) is not a PEM file of certificates"))
        #expect(try await servedName(port: port) == "first.test")

        _ = makeCertificate(for: "second.test")
        #expect(try await servedName(port: port) == "first.test")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        // Both hubs use the new certificate.
        for _ in 0..<4 { #expect(try await servedName(port: port) == "second.test") }
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }
}
