import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ReloadTests {
        /// Reloads a changed configuration, and waits until every hub uses it.
        private static func reload(_ live: Live, _ change: (inout HTTPServerConfiguration) -> Void) throws -> [String] {
            var configuration = live.server.configuration
            change(&configuration)
            let fixed = try live.server.reload(configuration)
            // Each hub runs this after the reload.
            _ = try live.connectionCount()
            return fixed
        }

        @Test(arguments: Style.allCases)
        func `a reload changes the limits of open connections`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                try client.send(post)
                #expect(try client.receiveResponse().text == "hello")
                #expect(try Self.reload(live) { $0.maxBodyBytes = 4 } == [])
                try client.send(post)
                let refused = try client.receiveResponse()
                #expect(refused.status == 413)
                #expect(try Self.reload(live) { $0.maxBodyBytes = 5 } == [])
                let another = try live.connect()
                for _ in 0..<2 {
                    try another.send(post)
                    #expect(try another.receiveResponse().text == "hello")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a reload sets and removes the hubs' watchdog threshold`(style: Style) async throws {
            let routes: (Router) -> Void = {
                $0.on(.get, "/", style) { _ in Response(text: "\(Hub.current?.stallThreshold?.components.seconds ?? -1)") }
            }
            try await withServer(routes: routes) { live in
                let client = try live.connect()
                func threshold() throws -> String {
                    try client.send(.get, "/")
                    return try client.receiveResponse().text
                }
                let before = try threshold()
                #expect(before == "-1")
                for seconds in [60, 61] {
                    #expect(try Self.reload(live) { $0.hub.stallThreshold = .seconds(seconds) } == [])
                    #expect(try threshold() == "\(seconds)")
                }
                #expect(try Self.reload(live) { $0.hub.stallThreshold = nil } == [])
                #expect(try threshold() == "-1")
            }
        }

        @Test
        func `a request in flight and an idle connection get the new timeouts at their next wait`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(routes: { $0.waiting("/", .async, for: event, started: started) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                #expect(try Self.reload(live) { $0.idleTimeout = .milliseconds(10) } == [])
                event.send(())
                let answer = try client.receiveResponse()
                #expect(answer.text == "ok")
                #expect(!answer.closes)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `a reload can remove and restore the access log`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let client = try live.connect()
                func ask() throws {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().status == 200)
                }
                try ask()
                #expect(live.logged(1).count == 1)
                let log = live.server.configuration.accessLog
                _ = try Self.reload(live) { $0.accessLog = nil }
                try ask()
                _ = try Self.reload(live) { $0.accessLog = log }
                try ask()
                #expect(live.logged(2).count == 2)
            }
        }

        @Test
        func `a reload names the settings that cannot change, and keeps them`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let before = live.server.configuration
                let names = try Self.reload(live) { configuration in
                    configuration.host = "127.0.0.2"
                    configuration.port = 1
                    configuration.hubs += 1
                    configuration.backlog = 7
                    configuration.hub.stackSize *= 2
                    configuration.hub.poller = configuration.hub.poller == .epoll ? .poll : .epoll
                    configuration.maxBodyBytes = 1
                }
                #expect(names == ["host", "port", "hubs", "backlog", "hub.stackSize", "hub.poller"])
                let after = live.server.configuration
                #expect(after.host == before.host && after.port == before.port && after.hubs == before.hubs)
                #expect(after.maxBodyBytes == 1)
                #expect(try live.get("/").status == 200)
            }
        }

        @Test
        func `a configuration loaded before run applies from the start`() async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                #expect(eventually { live.server.hubs.count == live.server.configuration.hubs })
                // A hub that starts later uses the configuration of that time, as `run` does here.
                _ = try Self.reload(live) { $0.maxBodyBytes = 1 }
                #expect(live.server.configuration.maxBodyBytes == 1)
            }
            let server = HTTPServer(router: Router(), configuration: anyPort())
            var configuration = anyPort()
            configuration.maxBodyBytes = 9
            #expect(try server.reload(configuration) == [])
            #expect(server.configuration.maxBodyBytes == 9)
        }
    }
}
