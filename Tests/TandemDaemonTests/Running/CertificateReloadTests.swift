import Foundation
import Testing

@testable import TandemDaemon

/// SIGHUP after a renewal of certificates.
@Suite(.timeLimit(.minutes(1)))
struct CertificateReloadTests {
    private let directory = ScratchDirectory()

    /// Returns the subject of the certificate that the server sends.
    private func subject(_ port: String) async throws -> String {
        let certificate = directory.path + "/served"
        _ = try await output(
            of: "sh", "-c", "openssl s_client -connect 127.0.0.1:\(port) </dev/null | openssl x509 -out \(certificate)")
        return try await output(of: "openssl", "x509", "-in", certificate, "-noout", "-subject")
    }

    @Test func `renewed certificates are served, and invalid ones are refused`() async throws {
        let (chain, key) = try await makeCertificate(for: "first.test", in: directory)
        let daemon = try Daemon(
            ["serve"],
            environment: [
                "TANDEM_HTTP_LISTEN": "127.0.0.1:0 tls", "TANDEM_HTTP_HUBS": "2", "TANDEM_TLS_CERTIFICATES": "\(chain) \(key)",
            ])
        try await daemon.awaitError("with 2 hubs")
        let port = try String(#require(daemon.errors.firstMatch(of: /https:\/\/127.0.0.1:([0-9]+) with/)).1)
        #expect(try await subject(port) == "subject=CN = first.test\n")

        try "hello".write(toFile: chain, atomically: true, encoding: .utf8)
        daemon.send(SIGHUP)
        try await daemon.awaitError("stays in force")
        #expect(daemon.errors.contains("\(chain) is not a PEM file of certificates"))
        #expect(try await subject(port) == "subject=CN = first.test\n")

        _ = try await makeCertificate(for: "second.test", in: directory)
        #expect(try await subject(port) == "subject=CN = first.test\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        // Both hubs use the new certificate.
        for _ in 0..<4 { #expect(try await subject(port) == "subject=CN = second.test\n") }
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }
}
