import Foundation
import Tandem
import TandemHTTP
import TandemTesting

/// An HTTP server on a hub of its own. It answers /after/MILLISECONDS/TEXT with the text, after that time, over plain TCP and TLS.
/// The clients find it by the environment.
struct Upstream {
    private let directory: URL
    private let server: HTTPServer

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tandem-legacy-\(getpid())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let file = { [directory] (name: String, text: String) in
            let path = directory.appending(path: name)
            try text.write(to: path, atomically: false, encoding: .utf8)
            return path.path
        }
        let certificate = TLSConfiguration.Certificate(
            chain: try file("localhost.crt", TestCertificate.localhost.certificateText),
            key: try file("localhost.key", TestCertificate.localhost.keyText))

        let router = Router()
        router.get("/after/{milliseconds}/{text}") { request async throws in
            try await sleep(for: .milliseconds(Int(request.parameters["milliseconds"] ?? "") ?? 0))
            return Response(text: request.parameters["text"] ?? "")
        }
        var configuration = HTTPServerConfiguration()
        configuration.addresses = [.tcp("127.0.0.1", port: 0), .tcp("127.0.0.1", port: 0, tls: true)]
        configuration.tls = TLSConfiguration(certificates: [certificate])
        let server = HTTPServer(router: router, configuration: configuration, logger: TestLog().logger)
        self.server = server
        Task.detached { try await server.run() }
        let ports = try server.boundAddresses().map { String($0.port ?? 0) }
        setenv("TANDEM_HTTP_PORT", ports[0], 1)
        setenv("TANDEM_HTTPS_PORT", ports[1], 1)
        setenv("TANDEM_AUTHORITY", try file("authority.crt", TestCertificate.authority.certificateText), 1)
    }

    func stop() {
        server.stop(grace: .zero)
        try? FileManager.default.removeItem(at: directory)
    }
}
