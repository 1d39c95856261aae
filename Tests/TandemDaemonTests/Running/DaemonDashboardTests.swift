import Foundation
import Glibc
import HTTPTypes
import Tandem
import TandemTesting
import Testing

@testable import TandemDaemon

/// The dashboard of the built tandemd, its access rules, and `tandemd top`.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DaemonDashboardTests {
    private static let token = "0123456789abcdef-token"

    private func admin(of daemon: Daemon) async throws -> TestClient {
        try await daemon.awaitError("admin listener on http://")
        let match = try #require(daemon.errors.firstMatch(of: /admin listener on http:\/\/[^ \n]*:([0-9]+)/))
        return TestClient(to: .tcp(port: Int(match.1)!))
    }

    @Test func `top prints what wants attention, the hubs and the busiest routes`() async throws {
        let directory = TemporaryDirectory()
        let environment = ["TANDEM_ADMIN_LISTEN": "unix:\(directory.path)/admin"]
        let daemon = try Daemon(["serve", "--port", "0", "--hubs", "2"], environment: environment)
        let client = try await daemon.client()
        let (ended, top) = (Event<Void>(), try Daemon(["top", "--once"], environment: environment))
        let load = Task {
            while ended.outcome == nil {
                let status = try await client.get("/blocking/bridge").status
                #expect(status == .ok)
            }
        }
        let code = try await top.wait()
        ended.send(())
        try await load.value
        await client.close()
        #expect(code == 0, "\(top.errors)")
        let text = top.output
        #expect(text.firstMatch(of: /^tandemd [0-9.]+  serving  up [0-9]+ d [0-9:]{8}  pid [0-9]+\n/) != nil, "\(text)")
        #expect(text.firstMatch(of: /requests\/s [1-9][0-9]*  p50 [0-9]/) != nil, "\(text)")
        for name in ["tandemd-0", "tandemd-1"] { #expect(text.contains("\n\(name)  ")) }
        #expect(text.firstMatch(of: /GET \/blocking\/bridge +blocking +[1-9]/) != nil, "\(text)")
        #expect(!text.contains("\u{1b}"))
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `with a token the admin listener answers probes, and its commands have the token from the file`() async throws {
        let file = try TemporaryFile(Self.token + "\n")
        let environment = ["TANDEM_ADMIN_LISTEN": "127.0.0.1:0", "TANDEM_ADMIN_TOKEN_FILE": file.path]
        let daemon = try Daemon(["serve", "--port", "0"], environment: environment)
        let admin = try await admin(of: daemon)
        for path in ["/metrics", "/debug/ui", "/debug/state", "/debug/hub", "/debug/trace", "/"] {
            let answer = try await admin.get(path)
            #expect(answer.status == .unauthorized && answer.headers[.wwwAuthenticate]?.hasPrefix("Basic ") == true)
            #expect(!answer.text.contains(Self.token))
        }
        for path in ["/livez", "/healthz", "/readyz"] { #expect(try await admin.get(path).status == .ok) }
        #expect(try await admin.get("/metrics", headers: [.authorization: "Bearer \(Self.token)"]).status == .ok)
        // A reload reads the file again.
        try file.write("another-token-of-some-length\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        #expect(try await admin.get("/metrics", headers: [.authorization: "Bearer \(Self.token)"]).status == .unauthorized)
        #expect(try await admin.get("/metrics", headers: [.authorization: "Bearer another-token-of-some-length"]).status == .ok)
        var later = environment
        later["TANDEM_ADMIN_LISTEN"] =
            "127.0.0.1:\(try #require(daemon.errors.firstMatch(of: /admin listener on http:\/\/[^ \n]*:([0-9]+)/)).1)"
        let top = try Daemon(["top", "--once"], environment: later)
        #expect(try await top.wait() == 0, "\(top.errors)")
        await admin.close()
    }

    @Test(arguments: ["", "short", "0123456789abcdef with spaces", "0123456789abcdef\n0123456789abcdef"])
    func `a file without a usable token is refused, and its text is not shown`(text: String) async throws {
        let file = try TemporaryFile(text)
        let check = try Daemon(["check-config"], environment: ["TANDEM_ADMIN_TOKEN_FILE": file.path])
        #expect(try await check.wait() == EX_CONFIG)
        #expect(
            check.errors.contains(
                "admin.token-file: \(file.path): expected one line of 16 to 512 visible ASCII characters, without spaces"),
            "\(check.errors)")
        #expect(text.isEmpty || !check.errors.contains(text))
    }

    @Test func `another host is refused except for probes, and configured names are accepted after a reload`() async throws {
        let file = try TemporaryFile("admin:\n  listen: \"127.0.0.1:0\"\n")
        let daemon = try Daemon(["serve", "--port", "0", "--config", file.path])
        let admin = try await admin(of: daemon)
        for path in ["/metrics", "/debug/ui", "/debug/state", "/debug/events", "/debug/hub", "/"] {
            let answer = try await admin.get(path, headers: [.init("Host")!: "evil.test"])
            #expect(answer.status == .misdirectedRequest && answer.text.contains("admin.allowed-hosts"), "\(path)")
        }
        #expect(try await admin.get("/livez", headers: [.init("Host")!: "evil.test"]).status == .ok)
        #expect(try await admin.get("/debug/ui").status == .ok)
        try file.write("admin:\n  listen: \"127.0.0.1:0\"\n  allowed-hosts: [shop.test]\n")
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        #expect(try await admin.get("/metrics", headers: [.init("Host")!: "shop.test:9090"]).status == .ok)
        await admin.close()
    }

    @Test func `the dashboard can be turned off, and the rest stays`() async throws {
        let environment = ["TANDEM_ADMIN_LISTEN": "127.0.0.1:0", "TANDEM_ADMIN_DASHBOARD": "false"]
        let daemon = try Daemon(["serve", "--port", "0"], environment: environment)
        let admin = try await admin(of: daemon)
        for path in ["/debug/ui", "/debug/state", "/debug/events", "/debug/threads", "/"] {
            #expect(try await admin.get(path).status == .notFound)
        }
        #expect(try await admin.get("/metrics").status == .ok)
        await admin.close()
    }

    @Test func `a listener that other machines can reach without a token is warned of at the start`() async throws {
        let open = try Daemon(["serve", "--port", "0"], environment: ["TANDEM_ADMIN_LISTEN": "0.0.0.0:0"])
        try await open.awaitError("other machines can reach 0.0.0.0:0")
        #expect(open.errors.contains("set admin.token-file"))
        let closed = try Daemon(["serve", "--port", "0"], environment: ["TANDEM_ADMIN_LISTEN": "127.0.0.1:0"])
        _ = try await closed.port()
        #expect(!closed.errors.contains("other machines"))
    }
}
