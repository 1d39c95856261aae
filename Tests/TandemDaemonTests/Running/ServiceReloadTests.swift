import Foundation
import Synchronization
import Tandem
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// A reload as a service sees it: the values that its handlers read, and its hooks.
@Suite(.timeLimit(.minutes(1)))
struct ServiceReloadTests {
    private let context = DaemonContext(for: Sign.self, configured(), logger: TestLog().logger)
    private let log = Lines()

    private static func configured(_ values: [String: String] = [:]) -> Configured {
        let schema = SettingsSchema(of: Sign.self)
        var source = ConfigurationSource(schema)
        for (key, value) in values { source.take([value], for: schema[key]!, at: "the test") }
        return Configured(schema, [source], file: nil)
    }

    private let new = configured(["sign.text": "closed", "sign.width": "-20", "fetch.allow": "http://a.example"])

    /// Registers a hook in each style. Each logs its check and its change.
    private func addHooks() {
        let (context, log) = (context, log)
        context.onReload("blocking") { new in
            let text = try new.requiredString(forKey: "sign.text")
            try sleep(for: .milliseconds(1))
            log.add("blocking check \(text)")
            return { log.add("blocking change \(text), config \(Self.text(context))") }
        }
        context.onReload("async") { new in
            let text = try new.requiredString(forKey: "sign.text")
            try await sleep(for: .milliseconds(1))
            log.add("async check \(text), config \(Self.text(context))")
            return { log.add("async change \(text)") }
        }
    }

    private static func text(_ context: DaemonContext) -> String { context.config.string(forKey: "sign.text") ?? "none" }

    private func reload(_ reloadServer: @escaping @Sendable () throws -> Void = {}) async throws {
        let (context, new) = (context, new)
        try await HubGroup.shared.nextHub().spawn { try await context.reload(new, reloadServer) }.value
    }

    @Test func `all hooks check the new values before any of them changes anything`() async throws {
        addHooks()
        let log = log
        try await reload { log.add("server") }
        #expect(
            log.all == [
                "blocking check closed", "async check closed, config open", "server", "blocking change closed, config closed",
                "async change closed",
            ])
    }

    @Test func `handlers read the new value of a key, unless it needs a restart`() async throws {
        try await reload()
        #expect(context.config.string(forKey: "sign.text") == "closed")
        #expect(context.config.int(forKey: "sign.width") == 10)
        #expect((try? context.client.allowList?.check("http://a.example")) != nil)
    }

    @Test func `a hook that refuses the new values keeps all old ones`() async throws {
        addHooks()
        context.onReload("strict") { _ in throw Refusal() }
        let log = log
        await #expect {
            try await reload { log.add("server") }
        } throws: {
            "\($0)".hasPrefix("the hook strict refuses the new values: Refusal")
        }
        #expect(log.all == ["blocking check closed", "async check closed, config open"])
        expectOldValues()
    }

    @Test func `a server that refuses the new values keeps all old ones`() async throws {
        addHooks()
        await #expect(throws: Refusal.self) { try await reload { throw Refusal() } }
        #expect(log.all == ["blocking check closed", "async check closed, config open"])
        expectOldValues()
    }

    @Test(arguments: Style.allCases)
    func `a hook that takes longer than 30 seconds refuses the new values`(style: Style) async throws {
        addHooks()
        switch style {
        case .blocking:
            context.onReload("slow") { _ in
                try sleep(for: .seconds(31))
                return {}
            }
        case .async:
            context.onReload("slow") { _ in
                try await sleep(for: .seconds(31))
                return {}
            }
        }
        let (context, new) = (context, new)
        await #expect {
            try await withVirtualTime { try await context.reload(new) {} }
        } throws: {
            "\($0)".hasPrefix("the hook slow refuses the new values: ") && "\($0)".contains("30")
        }
        #expect(log.all == ["blocking check closed", "async check closed, config open"])
        expectOldValues()
    }

    private func expectOldValues() {
        #expect(context.config.string(forKey: "sign.text") == "open")
        #expect((try? context.client.allowList?.check("http://a.example")) == nil)
    }

    @Test func `an offload pool ends after the hooks that were registered later`() async throws {
        let (context, log) = (context, log)
        let pool = try context.makeOffloadPool("pool", threads: 1)
        context.onShutdown("last job") { log.add(try await pool.run { "job" }) }
        var configuration = HTTPServerConfiguration()
        configuration.port = 0
        let server = HTTPServer(router: Router(), configuration: configuration, logger: TestLog().logger)
        context.use(server)
        let serving = Task { try await server.run() }
        _ = try await server.waitUntilListening()
        server.stop()
        try await serving.value
        #expect(log.all == ["job"])
        await #expect(throws: TandemError.self) { try await pool.run {} }
    }
}

private struct Refusal: Error {}

private struct Sign: DaemonService {
    static let name = "sign"
    static let version = "1"
    static let settings: [Setting] = [
        .text("sign.text", default: "open", expecting: "a text", note: "The text.", effect: .nextRequest),
        .integer("sign.width", default: 10, in: -100...100, note: "The width."),
    ]

    init(_ context: DaemonContext) {}

    func addRoutes(to router: Router) {}
}

/// Lines of text. Any thread.
private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
