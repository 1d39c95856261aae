import Foundation
import Glibc
import HTTPTypes
import TandemTesting
import Testing

@testable import TandemDaemon

/// SIGHUP, with the built tandemd.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DaemonReloadTests {
    @Test func `a valid file takes effect, and an invalid one does not`() async throws {
        let file = try TemporaryFile("log:\n  access: false\nhttp:\n  max-body-bytes: 100\n")
        let daemon = try Daemon("serve", "--port", "0", "--config", file.path)
        let client = try await daemon.client()
        func post() async throws -> Int {
            try await client.post("/async/echo", body: .bytes(Array(repeating: 0x61, count: 50))).status.code
        }
        #expect(try await post() == 200)
        #expect(daemon.output.isEmpty)

        try file.write("log:\n  level: debug\n  access: true\nhttp:\n  max-body-bytes: 10\n  hubs: 2\n  port: 1\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        try await daemon.awaitError("need a restart")
        #expect(daemon.errors.contains(#"changed="http.max-body-bytes, log.level, log.access""#))
        // The option overrides the file's port, so that key has not changed.
        #expect(daemon.errors.contains("keys=http.hubs\n"))
        #expect(try await post() == 413)
        while !daemon.output.contains("POST /async/echo 413") { try await Task.sleep(for: .milliseconds(5)) }

        try file.write("http:\n  max-body-bytes: 1000\n  idle-timeout: 1\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("stays in force")
        #expect(daemon.errors.contains("place=\(file.path):3 "))
        #expect(daemon.errors.contains("http.idle-timeout: unknown key"))
        #expect(try await post() == 413)

        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `a FIFO in place of the file is refused, and does not block later signals`() async throws {
        let directory = TemporaryDirectory()
        let path = directory.write("service.yaml", "http:\n  max-body-bytes: 100\n")
        let daemon = try Daemon("serve", "--port", "0", "--config", path)
        _ = try await daemon.port()
        unlink(path)
        #expect(mkfifo(path, 0o600) == 0)
        daemon.send(SIGHUP)
        try await daemon.awaitError("not a regular file")
        daemon.send(SIGUSR1)
        try await daemon.awaitError("green threads")
        directory.write("service.yaml", "http:\n  max-body-bytes: 200\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("changed=http.max-body-bytes")
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `many signals at once are followed by few reloads, the last of which reads the last file`() async throws {
        let file = try TemporaryFile("http:\n  max-body-bytes: 1\n")
        let daemon = try Daemon("serve", "--port", "0", "--config", file.path)
        _ = try await daemon.port()
        for _ in 0..<2_000 { daemon.send(SIGHUP) }
        try file.write("http:\n  max-body-bytes: 2\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("changed=http.max-body-bytes")
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        #expect(daemon.errors.split(separator: "\n").count { $0.contains("configuration reloaded") } < 1_000)
    }

    @Test func `a reload changes the allow-list`() async throws {
        let upstream = try Daemon("serve", "--port", "0")
        let origin = "http://127.0.0.1:\(try await upstream.port())"
        let file = try TemporaryFile("fetch:\n  allow: []\n")
        let daemon = try Daemon("serve", "--port", "0", "--config", file.path)
        let client = try await daemon.client()
        func fetch() async throws -> Int {
            try await client.get("/async/fetch?url=\(percentEncoded(origin + "/async/plaintext"))").status.code
        }
        #expect(try await fetch() == 403)
        try file.write("fetch:\n  allow: [\"\(origin)\"]\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        #expect(try await fetch() == 200)
        for daemon in [daemon, upstream] {
            daemon.send(SIGTERM)
            #expect(try await daemon.wait() == 0)
        }
    }

    @Test func `a reload reads certificates again while connections are open`() async throws {
        let pem = try TemporaryFile("")
        func renew(_ name: String) throws {
            let certificate = TestCertificate([name])
            try pem.write(certificate.certificateText + certificate.keyText)
        }
        try renew("first")
        let daemon = try Daemon(
            "serve",
            environment: [
                "TANDEM_HTTP_LISTEN": "127.0.0.1:0 tls, 127.0.0.1:0", "TANDEM_TLS_CERTIFICATES": "\(pem.path) \(pem.path)",
            ])
        try await daemon.awaitError("with 1 hub")
        let line = try #require(daemon.errors.firstMatch(of: /https:\/\/127.0.0.1:([0-9]+), http:\/\/127.0.0.1:([0-9]+)/))
        let (tlsPort, port) = (try #require(Int(line.1)), try #require(Int(line.2)))
        #expect(try await servedName(port: tlsPort) == "first")
        // A stream that continues during the reload.
        let stream = try await TestConnection.connect(to: .tcp(port: port))
        try await stream.send(.get, "/async/stream?chunks=2&bytes=5&ms=1500")
        _ = try await stream.receiveHead()
        #expect(try await stream.receivePiece() == Array("....\n".utf8))

        try renew("second")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        #expect(try await servedName(port: tlsPort) == "second")
        try pem.write("nonsense")
        daemon.send(SIGHUP)
        try await daemon.awaitError("stays in force")
        #expect(try await servedName(port: tlsPort) == "second")
        #expect(try await stream.receivePiece() == Array("....\n".utf8))
        try await stream.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }
}
