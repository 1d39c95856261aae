import Foundation
import Logging
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ReloaderTests {
    private final class Applied: Sendable {
        let configurations = Mutex<[Configured]>([])
        var count: Int { configurations.withLock { $0.count } }
    }

    private let logger = TestLog().logger

    private func reloader(_ loader: ConfigurationLoader, _ applied: Applied) throws -> Reloader {
        Reloader(loader, try loader.load(), logger: logger) { new in
            applied.configurations.withLock { $0.append(new) }
        }
    }

    private func reload(_ reloader: Reloader) async throws -> String {
        try await HubGroup.shared.nextHub().spawn { await reloader.reload() }.value
    }

    @Test func `a valid file is applied, and options and environment still override it`() async throws {
        let file = try TemporaryFile("http:\n  port: 1\n  max-body-bytes: 1\n")
        let loader = ConfigurationLoader(
            file: file.path, options: ["http.port": ["9000"]], environment: ["TANDEM_HTTP_IDLE_TIMEOUT_MS": "7"])
        let applied = Applied()
        let reloader = try reloader(loader, applied)
        try file.write("http:\n  port: 2\n  max-body-bytes: 5\n  idle-timeout-ms: 9\n")
        #expect(try await reload(reloader) == "configuration reloaded")
        let new = try #require(applied.configurations.withLock { $0.last })
        #expect(new.values.http.maxBodyBytes == 5)
        #expect(new.values.http.port == 9000)
        #expect(new.values.http.idleTimeout == .milliseconds(7))
    }

    @Test func `an invalid file changes nothing`() async throws {
        let file = try TemporaryFile("http:\n  max-body-bytes: 1\n")
        let applied = Applied()
        let reloader = try reloader(ConfigurationLoader(file: file.path, environment: [:]), applied)
        for bad in ["http:\n  max-body-bytes: x\n", "http:\n  what: 1\n", "\t"] {
            try file.write(bad)
            #expect(try await reload(reloader).hasPrefix("configuration refused"))
        }
        try FileManager.default.removeItem(atPath: file.path)
        #expect(try await reload(reloader).hasPrefix("configuration refused"))
        #expect(applied.count == 0)
        try file.write("http:\n  max-body-bytes: 2\n")
        #expect(try await reload(reloader) == "configuration reloaded")
        #expect(applied.count == 1)
    }

    @Test func `keys that need a restart are listed until they are changed back`() async throws {
        let file = try TemporaryFile("http:\n  hubs: 1\n")
        let reloader = try reloader(ConfigurationLoader(file: file.path, environment: [:]), Applied())
        // A poller other than the current one, which the environment may have chosen.
        let poller = HubConfiguration().poller == .poll ? "epoll" : "poll"
        try file.write("http:\n  hubs: 2\nhub:\n  poller: \(poller)\n  stall-threshold-ms: 7\n")
        for _ in 0..<2 {
            #expect(try await reload(reloader) == "configuration reloaded; a restart is needed for http.hubs, hub.poller")
        }
        try file.write("http:\n  hubs: 1\n")
        #expect(try await reload(reloader) == "configuration reloaded")
    }

    @Test func `a refusal by the server refuses the reload`() async throws {
        let file = try TemporaryFile("")
        let loader = ConfigurationLoader(file: file.path, environment: [:])
        let reloader = Reloader(loader, try loader.load(), logger: logger) { _ in
            throw TandemError(.invalidArgument, "no such certificate")
        }
        #expect(try await reload(reloader).hasPrefix("configuration refused"))
    }

    @Test func `a reload changes the level of every logger that has not set another`() {
        let log = TestLog()
        let level = SharedLevel(.warning)
        var logger = Logger(label: "a") { _ in AdjustableLevel(log.logger.handler, level) }
        var own = logger
        own.logLevel = .error
        logger.info("one")
        level.value = .debug
        logger[metadataKey: "k"] = "v"
        logger.debug("two")
        own.warning("three")
        #expect(log.entries.map(\.description) == ["debug: two k=v"])
        #expect(logger.logLevel == .debug)
    }

    /// Returns a valid value for a key that is not its default.
    private func otherValue(of setting: Setting) -> [String]? {
        let candidates = [
            "1", "2", "5000", "1000", "true", "false", "::1", "http://a.example", "a.example", "1.3", "2", "poll", "epoll",
            "debug",
            "json", "join", "optional", "127.0.0.1:1", "a.pem", packageRoot + "README.md", "none",
            "GET / new",
        ]
        return candidates.first { setting.canonical($0) != nil && [$0] != setting.defaultTexts }.map { [$0] }
    }

    @Test(arguments: schema.settings.map(\.key))
    func `the server agrees when a change of a key takes effect`(key: String) async throws {
        let setting = try #require(schema[key])
        let texts = try #require(otherValue(of: setting), "no other value for \(key)")
        let router = Router()
        router.migrate(.get, "/", from: { _ in Response() }, to: { _ in Response() })
        let server = HTTPServer(router: router, configuration: DaemonConfiguration().http)
        var values = DaemonConfiguration()
        setting.store(texts, &values)
        // Without files the server refuses TLS settings; they take effect for the next connection.
        guard !key.hasPrefix("tls.") else { return #expect(setting.effect == .nextConnection) }
        let fixed = try server.reload(values.http)
        switch key {
        case _ where key.hasPrefix("fetch."): #expect(fixed == [] && setting.effect == .nextFetch)
        // These are not the server's: the daemon applies the first three at a reload, and reads the others once at the start.
        case "hub.stall-threshold-ms", "log.level", "log.access": #expect(fixed == [] && setting.effect != .restart)
        case "hub.dead-after-ms", "legacy.patch", "legacy.files", "log.format", "log.access-format", "admin.listen",
            "admin.dashboard", "trace.mode",
            "trace.log-spans", "trace.otlp-endpoint", "trace.otlp-queue", "trace.otlp-batch", "trace.otlp-interval-ms",
            "trace.otlp-timeout-ms":
            #expect(fixed == [] && setting.effect == .restart)
        default: #expect(fixed.isEmpty == (setting.effect != .restart), "\(key): \(fixed)")
        }
    }
}
