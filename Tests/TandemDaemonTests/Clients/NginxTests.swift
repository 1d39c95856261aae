import Foundation
import Tandem
import TandemHTTP
import Testing

@testable import TandemDaemon

extension ClientTests {
    /// nginx as a reverse proxy that keeps its connections to the service open.
    struct ReverseProxy {
        @Test func `no request is lost or repeated, streams are not buffered, and uploads arrive complete`() async throws {
            let observed = Observed()
            try await withService(routes: { observed.addRoutes(to: $0) }) { service in
                let nginx = try await Nginx(before: [service.port])
                let outcome = try await python("nginx_client.py", nginx.socket)
                #expect(outcome.lines == ["500 answered", "streamed", "uploads"], "\(outcome.errors)\(nginx.errors)")
                #expect(observed.ids.all.count == 500 && observed.ids.all.values.allSatisfy { $0 == 1 })
                // 50 concurrent clients: nginx keeps 16 connections, and opens more when all of them are in use.
                #expect(observed.peers.all.count < 500)
                try await nginx.stop()
                #expect(nginx.errors == "")
            }
        }

        @Test func `nginx reuses its connections to the service`() async throws {
            let observed = Observed()
            try await withService(routes: { observed.addRoutes(to: $0) }) { service in
                let nginx = try await Nginx(before: [service.port], buffering: true)
                for _ in 0..<10 {
                    let answer = try await Program.run(
                        "curl", ["-sS", "--max-time", "20", "--unix-socket", nginx.socket, "http://service/observed/peer"])
                    #expect(answer.status == 0, "\(answer.errors)\(nginx.errors)")
                }
                #expect(observed.peers.all.values.map { $0 } == [10])
                try await nginx.stop()
            }
        }

        @Test func `a client that disconnects from the proxy cancels its request`() async throws {
            let observed = Observed()
            try await withService(
                configure: { $0.http.halfCloseGrace = .milliseconds(10) }, routes: { observed.addRoutes(to: $0) }
            ) { service in
                let nginx = try await Nginx(before: [service.port])
                let answer = try await Program.run(
                    "curl", ["-sS", "--max-time", "0.3", "--unix-socket", nginx.socket, "http://service/observed/endless"])
                #expect(answer.status == 28)
                try await observed.cancelled.wait()
                try await nginx.stop()
            }
        }

        @Test(arguments: Style.allCases)
        func `nginx passes error responses through`(style: Style) async throws {
            try await withService { service in
                let nginx = try await Nginx(before: [service.port])
                for (path, status) in [("/nowhere", "404"), ("/\(style)/sleep", "400"), ("/\(style)/echo", "405")] {
                    let answer = try await Program.run(
                        "curl",
                        [
                            "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", nginx.socket,
                            "http://service\(path)",
                        ])
                    #expect(answer.text == status)
                }
                try await nginx.stop()
            }
        }
    }
}
