import Logging
import ServiceLifecycle
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct HTTPServerServiceTests {
        /// Another service of the server's group.
        private struct Companion: Service {
            let started = Event<Void>()
            let ended = Event<String>()

            func run() async throws {
                started.send(())
                do {
                    try await gracefulShutdown()
                    ended.send("gracefully")
                } catch {
                    ended.send("cancelled")
                }
            }
        }

        private let logger = Logger(label: "group", factory: { _ in SwiftLogNoOpLogHandler() })

        private func server(_ event: Event<Void>, _ started: Count, configuration: HTTPServerConfiguration = anyPort())
            -> HTTPServer
        {
            let router = Router()
            router.waiting("/", .blocking, for: event, started: started)
            return HTTPServer(router: router, configuration: configuration, logger: logger)
        }

        @Test
        func `the group's graceful shutdown finishes requests in flight, and both services return`() async throws {
            let (event, started) = (Event<Void>(), Count())
            let (server, companion) = (server(event, started), Companion())
            let group = ServiceGroup(services: [companion, server], logger: logger)
            let running = Task { try await group.run() }
            let port = try await server.waitUntilListening()
            let client = try await TestConnection.connect(to: .tcp(port: port))
            try await client.send(.get, "/")
            let isWaiting = try await onOwnThread { eventually { started.value == 1 } }
            #expect(isWaiting)
            await group.triggerGracefulShutdown()
            try await server.draining.wait()
            event.send(())
            let answer = try await client.receiveResponse()
            #expect(answer.text == "ok")
            #expect(answer.closes)
            try await client.close()
            try await running.value
            #expect(server.phase == .stopped)
            #expect(try await companion.ended.wait() == "gracefully")
        }

        @Test
        func `a server on a hub of the caller logs the settings that have no effect there`() async throws {
            let log = TestLog()
            let group = try HubGroup(count: 1)
            try await group.hubs[0].spawn {
                for (hubs, stackSize) in [(1, HubConfiguration().stackSize), (3, 1 << 20)] {
                    var configuration = anyPort()
                    configuration.hubs = hubs
                    configuration.hub.stackSize = stackSize
                    let server = HTTPServer(router: Router(), configuration: configuration, logger: log.logger)
                    let running = spawn { try await server.run() }
                    _ = try await server.waitUntilListening()
                    server.stop()
                    try await running.value
                }
            }.value
            await group.shutdown()
            let warnings = log.entries.filter { $0.level == .warning }.map(\.message)
            #expect(warnings.count == 1)
            #expect(
                warnings.first?.contains("serves on that hub only: hubs = 3, hub.stackSize has no effect.") == true, "\(warnings)"
            )
        }

        @Test
        func `a server logs its addresses`() async throws {
            let log = TestLog()
            var configuration = HTTPServerConfiguration()
            configuration.port = 0
            let server = HTTPServer(router: Router(), configuration: configuration, logger: log.logger)
            let running = Task { try await server.run() }
            let port = try await server.waitUntilListening()
            #expect(log.entries("listening on http://127.0.0.1:\(port)").map(\.level) == [.info])
            server.stop()
            try await running.value
        }

        @Test
        func `cancelling the group cuts every connection at once`() async throws {
            let started = Count()
            let (server, companion) = (server(Event(), started), Companion())
            let group = ServiceGroup(services: [companion, server], logger: logger)
            let running = Task { try await group.run() }
            let client = try await TestConnection.connect(to: .tcp(port: try await server.waitUntilListening()))
            try await client.send(.get, "/")
            let isWaiting = try await onOwnThread { eventually { started.value == 1 } }
            #expect(isWaiting)
            running.cancel()
            let rest = try await client.receiveUntilEnd(orReset: true)
            #expect(rest.isEmpty)
            try await client.close()
            _ = await running.result
            #expect(server.phase == .stopped)
            #expect(server.stopSummary.connectionsCut == 1)
            #expect(try await companion.ended.wait() == "cancelled")
        }

        @Test
        func `a server that cannot listen ends the group with its error, and the others are cancelled`() async throws {
            var configuration = anyPort()
            configuration.host = "nowhere"
            let (server, companion) = (server(Event(), Count(), configuration: configuration), Companion())
            let group = ServiceGroup(services: [companion, server], logger: logger)
            await #expect(throws: TandemError(.cannotListen, "")) { try await group.run() }
            #expect(try await companion.ended.wait() == "cancelled")
        }

        @Test
        func `a server stopped from outside ends a group that does not expect it`() async throws {
            let (server, companion) = (server(Event(), Count()), Companion())
            let group = ServiceGroup(services: [companion, server], logger: logger)
            let running = Task { try await group.run() }
            _ = try await server.waitUntilListening()
            server.stop()
            await #expect(throws: ServiceGroupError.serviceFinishedUnexpectedly()) { try await running.value }
            #expect(try await companion.ended.wait() == "cancelled")
        }
    }
}
