import FuzzSupport
import Glibc
import HTTPTypes
import HTTPWire
import Logging
import Tandem
import TandemHTTP

/// The server under test, on its own hub in this process, until the process ends.
struct Server {
    static let shared = Server()

    let port: Int
    let limits: HTTPWireLimits
    private let descriptors: [String]

    private init() {
        var configuration = HTTPServerConfiguration()
        configuration.port = 0
        configuration.maxBodyBytes = 1000
        configuration.drainLimit = 100
        configuration.lingerTimeout = .seconds(20)
        // An input sends FIN after its last byte, and must be answered however slow the machine is.
        configuration.halfCloseGrace = .seconds(20)
        limits = configuration.wireLimits
        let server = HTTPServer(
            router: Self.router(), configuration: configuration, logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
        // Runs outside any hub, so that the server starts its own. First opens the descriptors of Swift's own timers.
        Task {
            try await Task.sleep(for: .milliseconds(1))
            try await server.run()
        }
        guard let port = try? server.waitUntilListening() else { fatalError("the server does not listen") }
        self.port = port
        // Opens everything that is opened on first use.
        for line in ["GET /async", "GET /blocking"] {
            let peer = Peer(port: port)
            let request = Array("\(line) HTTP/1.0\r\n\r\n".utf8)
            peer.send(request, ends: [request.count])
            _ = peer.rest()
            peer.close()
        }
        usleep(100_000)
        descriptors = openDescriptors()
    }

    /// Waits until the server has closed the connection too.
    func expectNothingLeft() {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if openDescriptors().count == descriptors.count { return }
            usleep(50)
        }
        fatalError("descriptors are left: \(openDescriptors()), before \(descriptors)")
    }

    /// Each kind of response in both styles, on short paths that mutations find.
    private static func router() -> Router {
        let router = Router()
        router.get("/async") { _ async in Response(text: "ok") }
        router.get("/blocking") { _ in Response(text: "ok") }
        router.post("/a") { Response(body: try await $0.body.collect(upTo: 100)) }
        router.post("/b") { Response(body: try $0.body.collect(upTo: 100)) }
        router.post("/ea") { request async in
            Response(streaming: { writer in for try await piece in request.body { try await writer.write(piece) } })
        }
        router.post("/eb") { request in
            Response(streaming: { writer in while let piece = try request.body.read() { try writer.write(piece) } })
        }
        router.get("/n/{id}") { request async throws in
            Response(text: "\(request.parameters["id"]!) \(try request.query.count)")
        }
        router.put("/s/{rest...}") { request in
            // The type of a status traps beyond three digits.
            guard let code = Int(request.parameters["rest"]!), (0...999).contains(code) else { return Response() }
            return Response(status: .init(code: code), body: [1, 2, 3])
        }
        router.use { request, next in try await next(request) }
        return router
    }
}

/// The open descriptors of this process, with what each refers to.
private func openDescriptors() -> [String] {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let target = withUnsafeTemporaryAllocation(byteCount: 100, alignment: 1) { bytes in
            let count = readlink("/proc/self/fd/\(name)", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
        names.append("\(name) \(target)")
    }
    return names
}
