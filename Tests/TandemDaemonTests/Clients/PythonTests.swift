import Tandem
import TandemHTTP
import Testing

@testable import TandemDaemon

extension ClientTests {
    /// Two HTTP clients for Python. The program for each is beside this file.
    struct Python {
        @Test func `requests reuses its connection, streams in both directions, and times out`() async throws {
            let observed = Observed()
            try await withService(routes: { observed.addRoutes(to: $0) }) { service in
                let outcome = try await python("requests_client.py", service.origin)
                #expect(outcome.lines == ["one connection", "time-outs", "200 from 20 threads"], "\(outcome.errors)")
                #expect(outcome.status == 0)
                #expect(observed.peers.all.values.map { $0 } == [2])
            }
        }

        @Test func `aiohttp streams both ways, times out, sends 1000 requests at once, and is not upgraded`() async throws {
            let observed = Observed()
            try await withService(routes: { observed.addRoutes(to: $0) }) { service in
                let outcome = try await python("aiohttp_client.py", service.origin)
                #expect(outcome.lines == ["both ways", "time-outs", "no upgrade", "1000 at once"], "\(outcome.errors)")
                #expect(outcome.status == 0)
                #expect(observed.ids.all.count == 1_000 && observed.ids.all.values.allSatisfy { $0 == 1 })
                #expect(observed.peers.all.count <= 102)
            }
        }
    }
}
