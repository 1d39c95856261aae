import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ShutdownHooksTests {
        private let ran = Collected<String>()

        @Test
        func `hooks of both styles run newest first on a running hub, after the last connection`() async throws {
            try await withServer(routes: { $0.plain() }) { [ran] live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveResponse()
                live.server.onShutdown("first") {
                    try await sleep(for: .milliseconds(1))
                    #expect(Hub.current != nil)
                    ran.add("async")
                }
                live.server.onShutdown("second") {
                    try sleep(for: .milliseconds(1))
                    #expect(GreenThreadIdentity.current != nil)
                    ran.add("blocking")
                }
                live.server.onShutdown("third") { [server = live.server] in ran.add("\(await server.connectionCount())") }
                live.server.stop(grace: .seconds(20))
                try live.waitUntilEnded()
                #expect(ran.all == ["0", "blocking", "async"])
                #expect(live.server.phase == .stopped)
                #expect(live.server.stopSummary.hooksFailed == 0)
                #expect(live.log.lines.isEmpty)
                let isInTime = live.server.onShutdown("late") { () async in ran.add("late") }
                #expect(!isInTime)
                let isInTimeToo = live.server.onShutdown("late") { ran.add("late") }
                #expect(!isInTimeToo)
            }
            #expect(ran.all.count == 3)
        }

        @Test(arguments: Style.allCases)
        func `a hook that throws is logged and counted, and the next hook runs`(style: Style) async throws {
            try await withServer(routes: { $0.plain() }) { [ran] live in
                live.server.onShutdown("next") { () async in ran.add("next") }
                switch style {
                case .blocking: live.server.onShutdown("bad") { throw HTTPError(.gone, "the pool is gone") }
                case .async: live.server.onShutdown("bad") { () async throws in throw HTTPError(.gone, "the pool is gone") }
                }
                live.server.stop()
                try live.waitUntilEnded()
                #expect(ran.all == ["next"])
                #expect(live.server.stopSummary.hooksFailed == 1)
                #expect(live.server.stopSummary.hooksTimedOut == 0)
                let lines = live.log.entries("shutdown hook failed")
                #expect(lines.map { $0.metadata["hook"] } == ["bad"])
                #expect(lines.first?.metadata["error"]?.contains("the pool is gone") == true)
            }
        }

        @Test(arguments: Style.allCases)
        func `hooks are cancelled when their time is over, and the remaining ones at their first wait`(style: Style) async throws
        {
            try await withServer({ $0.cleanupTimeout = .milliseconds(20) }, routes: { $0.plain() }) { [ran] live in
                live.server.onShutdown("last") {
                    ran.add("begins")
                    try await sleep(for: .seconds(60))
                }
                switch style {
                case .blocking: live.server.onShutdown("hangs") { try Event<Void>().wait() }
                case .async: live.server.onShutdown("hangs") { try await Event<Void>().wait() }
                }
                live.server.stop()
                try live.waitUntilEnded()
                #expect(ran.all == ["begins"])
                #expect(live.server.stopSummary.hooksTimedOut == 2)
                #expect(live.server.stopSummary.hooksFailed == 0)
                #expect(live.log.entries("shutdown hook ran out of time").map { $0.metadata["hook"] } == ["hangs", "last"])
            }
        }

        @Test(arguments: Style.allCases)
        func `hooks run when the task of run is cancelled, and are not cancelled themselves`(style: Style) async throws {
            try await withServer(routes: { $0.plain() }) { [ran] live in
                switch style {
                case .blocking:
                    live.server.onShutdown("flush") {
                        try sleep(for: .milliseconds(1))
                        ran.add("flushed")
                    }
                case .async:
                    live.server.onShutdown("flush") {
                        try await sleep(for: .milliseconds(1))
                        ran.add("flushed")
                    }
                }
                live.cancelRun()
                try live.waitUntilEnded()
                #expect(ran.all == ["flushed"])
            }
        }

        @Test
        func `hooks run when the server cannot listen`() async throws {
            var configuration = anyPort()
            configuration.host = "nowhere"
            let server = HTTPServer(router: Router(), configuration: configuration)
            server.onShutdown("flush") { [ran] in ran.add("flushed") }
            await #expect(throws: TandemError.self) { try await server.run() }
            #expect(ran.all == ["flushed"])
            #expect(server.phase == .stopped)
        }
    }
}
