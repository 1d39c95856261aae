import Foundation
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// A supervisor in this process. Its signals are sent to its thread only.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct SupervisorTests {
    @Test func `a reload that a stop overtakes does not report that the service is ready`() async throws {
        let manager = try NotifySocket()
        let log = TestLog()
        let (checking, goOn) = (Event<Void>(), Event<Void>())
        let loader = ConfigurationLoader(environment: [:])
        let started = Configured(schema, [], file: nil)
        let thread = Mutex<pthread_t?>(nil)
        let ended = Event<Void>()
        Thread.detachNewThread {
            thread.withLock { $0 = pthread_self() }
            do {
                let supervisor = Supervisor(
                    signals: try Signals(), notifier: Notifier { ["NOTIFY_SOCKET": manager.address][$0] }, about: "test",
                    deadAfter: .seconds(30), logger: log.logger, flush: {})
                try Hub.run {
                    try await supervisor.run {
                        let context = DaemonContext(for: Idle.self, started, logger: log.logger)
                        context.onReload("slow") { _ in
                            checking.send(())
                            try await goOn.wait()
                            return {}
                        }
                        var configuration = HTTPServerConfiguration()
                        configuration.port = 0
                        // The server lives on until the reload has ended.
                        configuration.stopDelay = .seconds(2)
                        let server = HTTPServer(router: Router(), configuration: configuration, logger: log.logger)
                        let reloader = Reloader(loader, started, logger: log.logger) { try await context.reload($0) {} }
                        return Supervisor.Parts(server: server, admin: nil, reloader: reloader)
                    }
                }
                ended.send(())
            } catch {
                ended.fail(error)
            }
        }
        func send(_ signal: CInt) { thread.withLock { _ = pthread_kill($0!, signal) } }

        #expect(try await manager.next().first == "READY=1")
        send(SIGHUP)
        #expect(try await manager.next().first == "RELOADING=1")
        try await checking.wait()
        send(SIGTERM)
        #expect(try await manager.next().first == "STOPPING=1")
        goOn.send(())
        try await ended.wait()
        #expect(log.entries.map(\.message).suffix(2) == ["configuration reloaded", "stopped"])
        #expect(manager.datagram() == nil)
    }
}

private struct Idle: DaemonService {
    static let name = "idle"
    static let version = "1"

    init(_ context: DaemonContext) {}

    func addRoutes(to router: Router) {}
}
