import CoreMetrics
import Glibc
import Logging
import Tandem
import TandemFetch
import TandemHTTP
import Tracing

@testable import TandemDaemon
@testable import tandemd

/// The service in this process, on a free port, with a client for it.
struct LiveService: Sendable {
    let port: Int
    let context: DaemonContext
    let client = FetchClient()

    var origin: String { "http://127.0.0.1:\(port)" }

    func get(_ target: String) async throws -> FetchResponse { try await client.get(origin + target) }

    /// Returns the path that fetches `url`. It is percent-encoded.
    func fetchPath(_ style: Style, _ url: String, endpoint: String = "fetch") -> String {
        "/\(style)/\(endpoint)?url=\(percentEncoded(url))"
    }
}

/// The number of hubs: TANDEM_TEST_HUBS, or 1 without it.
private let hubs = getenv("TANDEM_TEST_HUBS").map { max(1, Int(atol($0))) } ?? 1

/// Runs the service while `body` runs. `extend` may add routes.
func withService(
    configure: (inout DaemonConfiguration) -> Void = { _ in }, routes extend: (Router) -> Void = { _ in },
    _ body: (LiveService) async throws -> Void
) async throws {
    var configuration = DaemonConfiguration()
    configuration.http.port = 0
    configuration.http.hubs = hubs
    configuration.http.hub.poller = HubConfiguration().poller
    configuration.logLevel = .critical
    configure(&configuration)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let context = DaemonContext(for: Tandemd.self, Configured(schema, [], file: nil), logger: logger)
    context.outbound.reload(configuration.fetch)
    let router = Router(Tandemd(context), configuration)
    extend(router)
    try await withServer(router, configuration.http, context) { port, _ in
        try await body(LiveService(port: port, context: context))
    }
}

/// Runs a server on a separate hub while `body` runs. The server uses the caller's metrics and tracer.
func withServer(
    _ router: Router, _ configuration: HTTPServerConfiguration, _ body: (_ port: Int) async throws -> Void
) async throws {
    try await withServer(router, configuration) { port, _ in try await body(port) }
}

/// Runs a server like the other form, and passes it to `body`.
func withServer(
    _ router: Router, _ configuration: HTTPServerConfiguration, _ context: DaemonContext? = nil,
    _ body: (_ port: Int, HTTPServer) async throws -> Void
) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = HTTPServer(router: router, configuration: configuration, logger: logger)
    server.onListening { context?.outbound.serverListens(on: $0) }
    let (metrics, tracer) = (MetricsSystem.factory, InstrumentationSystem.tracer)
    let serving = Task.detached {
        try await withMetricsFactory(metrics) { try await withTracer(tracer) { try await server.run() } }
    }
    do {
        try await body(server.waitUntilListening(), server)
        server.stop(grace: .zero)
        try await serving.value
    } catch {
        server.stop(grace: .zero)
        _ = await serving.result
        throw error
    }
}

/// Runs a server as an upstream, on a free port, while `body` runs.
func withUpstream(routes: (Router) -> Void, _ body: (_ port: Int) async throws -> Void) async throws {
    let router = Router()
    routes(router)
    var configuration = HTTPServerConfiguration()
    configuration.port = 0
    configuration.hubs = hubs
    configuration.halfCloseGrace = .milliseconds(10)
    try await withServer(router, configuration, body)
}

/// Returns a text in which every byte except letters and digits is written as %XX.
func percentEncoded(_ text: String) -> String {
    text.utf8.map { byte in
        let character = Character(Unicode.Scalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber)
            ? String(character) : "%" + String(byte, radix: 16).leftPadded
    }.joined()
}

extension String {
    fileprivate var leftPadded: String { count == 1 ? "0" + self : self }
}
