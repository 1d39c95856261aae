import Glibc
import Tandem
import TandemHTTP
import TandemTesting

@testable import TandemDaemon
@testable import tandemd

/// The service on its own port, in this process, with a client.
struct LiveService: Sendable {
    let context: DaemonContext
    let client: TestClient

    var port: Int { client.port }
    var origin: String { "http://127.0.0.1:\(port)" }

    func get(_ target: String) async throws -> TestResponse { try await client.get(target) }

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
    let context = DaemonContext(for: Tandemd.self, Configured(schema, [], file: nil), logger: TestLog().logger)
    context.outbound.reload(configuration.fetch)
    let router = Router(Tandemd(context), configuration)
    extend(router)
    try await withServer(router, configuration.http, context) { port, _ in
        let client = TestClient(to: .tcp(port: port))
        try await body(LiveService(context: context, client: client))
        await client.close()
    }
}

/// Runs a server on its own hubs while `body` runs. The server has the caller's metrics and tracer.
///
/// For tests of the server's context, addresses or hubs; other tests use `withTestServer`.
func withServer(
    _ router: Router, _ configuration: HTTPServerConfiguration, _ context: DaemonContext? = nil,
    _ body: (_ port: Int, HTTPServer) async throws -> Void
) async throws {
    let server = HTTPServer(router: router, configuration: configuration, logger: TestLog().logger)
    server.onListening { context?.outbound.serverListens(on: $0) }
    let serving = Task { try await server.run() }
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

/// Runs an upstream of the service, which may misbehave, on its own port while `body` runs.
func withUpstream(
    configure: (inout HTTPServerConfiguration) -> Void = { _ in }, routes: (Router) -> Void,
    _ body: (_ port: Int) async throws -> Void
) async throws {
    let router = Router()
    routes(router)
    var configuration = HTTPServerConfiguration()
    configuration.port = 0
    configuration.hubs = hubs
    configuration.halfCloseGrace = .milliseconds(10)
    configure(&configuration)
    try await withServer(router, configuration) { port, _ in try await body(port) }
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
