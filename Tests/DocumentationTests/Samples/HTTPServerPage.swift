import HTTPTypes
import HTTPWire
import Logging
import ServiceLifecycle
import Tandem
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing
import UnixSignals

/// The samples of docs/http-server.md.
@Suite(.timeLimit(.minutes(1)))
struct HTTPServerPage {
    let client = FetchClient()
    let url = "http://127.0.0.1:9/"
    let events = Queue<String>()
    let orders = Orders()
    let pixel: [UInt8] = [71, 73, 70]

    struct Orders {
        func find(_ id: String) async throws -> String? { id == "7" ? "seven" : nil }
    }

    func rows() throws -> [String] { ["a;b\n"] }

    func styles(_ router: Router) {
        router.get("/report") { request in Response(text: try client.get(url).text) }  // blocking
        router.get("/report/migrated") { request in Response(text: try await client.get(url).text) }  // async
    }

    func routes(_ router: Router) {
        router.get("/users/{id}") { request in
            Response(text: "user \(request.parameters["id"]!)")
        }
        router.put("/files/{path...}") { request async in
            Response(status: .created, text: request.parameters["path"]!)
        }
        router.on(HTTPRequest.Method("PURGE")!, "/cache") { _ in Response(status: .noContent) }
    }

    func groups(_ router: Router) {
        router.group("/orders/{customer}") { orders in
            orders.use { request, next in
                guard request[.authorization] != nil else { throw HTTPError(.unauthorized, "credentials are missing") }
                return try await next(request)
            }
            // GET /orders/{customer}, and GET /orders/{customer}/{id}
            orders.get("") { request in Response(text: "orders of \(request.parameters["customer"]!)") }
            orders.get("/{id}") { request in Response(text: "order \(request.parameters["id"]!)") }
            orders.group("/archive") { archive in
                archive.get("/{year}") { request in Response(text: "orders of \(request.parameters["year"]!)") }
            }
        }
        let health = router.group("/health")
        health.get("/live") { _ in Response() }
    }

    func middleware(_ router: Router) {
        router.use { request, next in
            do {
                var response = try await next(request)
                response.headers[.server] = "orders"
                return response
            } catch var error as HTTPError {
                error.headers[.server] = "orders"
                throw error
            }
        }
    }

    func parameters(_ router: Router) {
        router.get("/search/{shop}") { request in
            let words = try request.query.values(of: "word")  // every ?word=, decoded
            guard let limit = Int(try request.query["limit"] ?? "20"), (1...100).contains(limit) else {
                throw HTTPError(.badRequest, "limit must be a number from 1 to 100")
            }
            let language = request[.acceptLanguage] ?? "en"
            return Response(text: "\(limit) of \(words) in \(request.parameters["shop"]!) (\(language))")
        }
    }

    func bodies(_ router: Router) {
        router.post("/notes") { request in
            let note = try await request.body.collect(upTo: 64 * 1024)  // a longer body is answered with 413
            return Response(status: .created, text: "\(note.count) bytes\n")
        }
        router.put("/uploads/{name}") { request in
            var size = 0
            while let piece = try request.body.read() { size += piece.count }
            return Response(text: "\(size) bytes\n")
        }
    }

    func answers(_ router: Router) {
        router.get("/teapot") { _ in Response(status: .init(code: 418), text: "short and stout\n") }
        router.get("/pixel") { _ in Response(headers: [.contentType: "image/gif"], body: pixel) }
        router.get("/old") { _ in Response(status: .movedPermanently, headers: [.location: "/new"]) }
    }

    func errors(_ router: Router) {
        router.get("/orders/{id}") { request in
            guard let order = try await orders.find(request.parameters["id"]!) else {
                throw HTTPError(.notFound, "there is no such order")
            }
            return Response(text: order)
        }
        router.get("/report") { request in
            do {
                return Response(text: try client.get(url).text)
            } catch let error as FetchError where error.isTimeout {
                throw HTTPError(.gatewayTimeout, "the report is not ready", headers: [.retryAfter: "5"])
            }
        }
    }

    func streams(_ router: Router) {
        router.get("/export") { _ in
            Response(
                headers: [.contentType: "text/csv"],
                streaming: { writer in
                    for row in try rows() { try writer.write(Array(row.utf8)) }
                })
        }
        router.get("/events") { _ in
            Response(
                headers: [.contentType: "text/event-stream"],
                streaming: { writer in
                    try await writer.flush()
                    while let event = try await writer.draining.cancelling({ try await events.get() }) {
                        try await writer.write(Array("data: \(event)\n\n".utf8))
                    }
                })
        }
    }

    func running(_ router: Router) async throws {
        var configuration = HTTPServerConfiguration()
        configuration.addresses = [.tcp("127.0.0.1", port: 8080)]
        let server = HTTPServer(router: router, configuration: configuration)
        server.onShutdown("last report") { _ = try await client.get(url) }

        let group = ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm], logger: Logger(label: "orders"))
        try await group.run()
    }

    func secure(_ configuration: inout HTTPServerConfiguration) throws {
        configuration.tls = TLSConfiguration(certificates: [.init(chain: "/etc/orders/cert.pem", key: "/etc/orders/key.pem")])
        configuration.addresses = [.tcp("0.0.0.0", port: 8443, tls: true), .unix("/run/orders/http.sock")]
        for warning in try configuration.tls!.check() { print(warning) }
    }

    func limits(_ configuration: inout HTTPServerConfiguration) {
        configuration.maxBodyBytes = 1024 * 1024
        configuration.headerTimeout = .seconds(5)
        configuration.maxConnectionsPerPeer = 100
        configuration.wireLimits.fieldCount = 50
    }

    @Sendable func greet(_ request: Request) throws -> Response {
        try sleep(for: .milliseconds(1))
        return Response(text: "hello, \(request.parameters["name"] ?? "nobody")")
    }

    @Test func `Ada is greeted`() async throws {
        let response = try await blocking { try greet(Request(path: "/hello/ada", parameters: ["name": "ada"])) }
        #expect(response.status == .ok)
        #expect(try await response.collectBody() == Array("hello, ada".utf8))
    }

    @Test func `the handlers answer as the page says`() async throws {
        let router = Router()
        for add in [routes, groups, middleware, parameters, bodies, answers, streams] { add(router) }
        router.on(.get, "/found/{id}") { request in
            guard let order = try await orders.find(request.parameters["id"]!) else {
                throw HTTPError(.notFound, "there is no such order")
            }
            return Response(text: order)
        }
        try await withTestServer(router) { client in
            var answers: [String: Int] = [:]
            for path in [
                "/users/7", "/orders/ada", "/search/books?limit=3&word=a", "/search/books?limit=0", "/teapot", "/export",
            ] {
                let response = try await client.get(path)
                answers[path] = response.status.code
                #expect(response.headers[.server] == "orders")
            }
            #expect(
                answers == [
                    "/users/7": 200, "/orders/ada": 401, "/search/books?limit=3&word=a": 200, "/search/books?limit=0": 400,
                    "/teapot": 418, "/export": 200,
                ])
            let note = try await client.post("/notes", body: "twelve bytes")
            #expect(note.text == "12 bytes\n")
            let upload = try await client.execute(.put, "/uploads/x", body: "abc")
            #expect(upload.text == "3 bytes\n")
        }
    }
}
