import Tandem
import TandemHTTP
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TestSetupTests {
    private struct Broken: Error, CustomStringConvertible {
        var description: String { "the handler is broken" }
    }

    private func router() -> Router {
        let router = Router()
        router.use { request, next in
            var response = try await next(request)
            response.headers[.server] = "test"
            return response
        }
        router.get("/users/{id}") { request async in Response(text: "user \(request.parameters["id"]!)") }
        router.get("/blocking") { _ in
            try sleep(for: .milliseconds(1))
            return Response(text: "green: \(GreenThreadIdentity.current != nil)")
        }
        router.post("/echo") { request in
            Response(streaming: { writer in while let piece = try request.body.read() { try writer.write(piece) } })
        }
        router.get("/length") { _ async in Response(contentLength: 2, streaming: { try await $0.write([65, 66]) }) }
        router.get("/none") { _ async in Response(status: .noContent, body: [1]) }
        router.get("/refused") { _ in throw HTTPError(.unauthorized, "who are you?", headers: [.wwwAuthenticate: "Basic"]) }
        router.get("/broken") { _ in throw Broken() }
        router.get("/early") { _ async in Response(streaming: { _ in throw HTTPError(.conflict, "not now") }) }
        router.get("/late") { _ async in
            Response(streaming: { writer in
                try await writer.write([1])
                throw Broken()
            })
        }
        return router
    }

    @Test(arguments: TestSetup.allCases)
    func `each setup gives the same responses`(setup: TestSetup) async throws {
        try await withTestServer(router(), setup) { client in
            let requests: [(HTTPRequest.Method, String, TestBody?, HTTPResponse.Status, String)] = [
                (.get, "/users/a%20b", nil, .ok, "user a b"), (.head, "/users/7", nil, .ok, ""),
                (.get, "/blocking?x", nil, .ok, "green: true"), (.post, "/echo", "text", .ok, "text"),
                (.post, "/echo", .chunks([[65], [66]]), .ok, "AB"), (.get, "/length", nil, .ok, "AB"),
                (.get, "/none", nil, .noContent, ""), (.get, "/refused", nil, .unauthorized, "who are you?\n"),
                (.get, "/nowhere", nil, .notFound, "nothing is at /nowhere\n"),
                (.delete, "/echo", nil, .methodNotAllowed, "DELETE is not allowed here\n"),
                (.options, "/echo", nil, .noContent, ""), (.head, "/late", nil, .ok, ""),
                (.get, "/early", nil, .conflict, "not now\n"),
                (.get, "/broken", nil, .internalServerError, "internal server error\n"),
            ]
            for (method, path, body, status, text) in requests {
                let response = try await client.execute(method, path, body: body)
                #expect(response.status == status, "\(method) \(path)")
                #expect(response.text == text, "\(method) \(path)")
                #expect((response.errors.isEmpty) == (path != "/broken"), "\(method) \(path)")
                if status == .ok { #expect(response[.server] == "test", "\(method) \(path)") }
            }
            let head = try await client.execute(.head, "/users/7")
            #expect(head[.contentLength] == "6")
            let announced = try await client.get("/length")
            #expect(announced[.contentLength] == "2")
            let streamed = try await client.post("/echo", body: "text")
            #expect(streamed[.contentLength] == nil)
            #expect(streamed[.transferEncoding] == "chunked")
            let refused = try await client.get("/refused")
            #expect(refused[.wwwAuthenticate] == "Basic")
            let error = await #expect(throws: TestClientError(.cutShort)) { try await client.get("/late") }
            #expect(error?.errors.first?.metadata["error"] == "the handler is broken")
        }
    }

    @Test(arguments: TestSetup.allCases)
    func `a body beyond the configured limit is refused`(setup: TestSetup) async throws {
        var configuration = HTTPServerConfiguration()
        configuration.maxBodyBytes = 3
        try await withTestServer(router(), setup, configuration: configuration) { client in
            let fits = try await client.post("/echo", body: "abc")
            #expect(fits.text == "abc")
            let refused = try await client.post("/echo", body: "abcd")
            #expect(refused.status == .contentTooLarge)
        }
    }

    @Test func `in process there are no connections`() async throws {
        try await withTestServer(router(), .inProcess) { client in
            #expect(client.port == 0)
            await #expect(throws: TestClientError(.noConnection)) { try await client.connect() }
            _ = try await client.get("/users/7")
            #expect(await client.connectionsOpened() == 0)
        }
    }

    @Test func `a green thread left behind fails a test in process too`() async throws {
        let error = await #expect(throws: LeftBehind.self) {
            try await withVirtualTime {
                let router = Router()
                router.get("/leak") { _ async in
                    GreenThread(name: "forgotten") { try sleep(for: .seconds(3_600)) }
                    return Response(text: "ok")
                }
                try await withTestServer(router, .inProcess) { client in _ = try await client.get("/leak") }
            }
        }
        #expect(error?.description.contains("\"forgotten\"") == true)
    }

    @Test func `with TLS the client verifies the server`() async throws {
        try await withTestServer(router(), .tls) { client in
            let connection = try await client.connect()
            #expect(connection.tls?.version == "TLSv1.3")
            #expect(connection.tls?.serverSubject == "localhost")
            let stranger = TestCertificate(["Stranger"], isAuthority: true)
            for tls in [TestTLS(trusting: stranger), TestTLS(trusting: .authority, serverName: "elsewhere")] {
                let error = await #expect(throws: TestClientError(.tls)) {
                    try await client.connect(TestConnectionOptions(tls: tls))
                }
                #expect(error?.message == "certificate verify failed")
            }
            let protocols = try await client.connect(
                TestConnectionOptions(tls: TestTLS(trusting: .authority, protocols: ["h2", "http/1.1"])))
            #expect(protocols.tls?.selectedProtocol == "http/1.1")
        }
    }

    @Test func `without TLS the client gets the explanation of a TLS port`() async throws {
        try await withTestServer(router(), .tls) { client in
            let connection = try await client.connect(TestConnectionOptions())
            try await connection.send(.get, "/")
            #expect(try await connection.receiveResponse().status == .badRequest)
        }
    }
}
