import HTTPTypes
import Logging
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TestClientTests {
    private struct Broken: Error, CustomStringConvertible {
        var description: String { "the handler is broken" }
    }

    private func router() -> Router {
        let router = Router()
        router.get("/") { _ async in Response(text: "root") }
        router.post("/collect") { Response(body: try await $0.body.collect(upTo: 1 << 24)) }
        router.post("/echo") { request in
            Response(streaming: { writer in
                while let piece = try request.body.read() { try writer.write(piece) }
            })
        }
        router.get("/broken") { _ in throw Broken() }
        router.get("/moved") { _ async in Response(status: .found, headers: [.location: "/"]) }
        router.get("/cut") { _ async in
            Response(streaming: { writer in
                try await writer.write(Array("half".utf8))
                throw Broken()
            })
        }
        router.get("/header") { request async in Response(text: request[.accept] ?? "none") }
        return router
    }

    @Test func `sequential requests share a connection, and concurrent ones have their own`() async throws {
        try await withTestServer(router()) { client in
            for _ in 0..<5 { _ = try await client.get("/") }
            #expect(await client.connectionsOpened() == 1)
            try await withThrowingTaskGroup { group in
                for _ in 0..<5 { group.addTask { try await client.get("/").status } }
                for try await status in group { #expect(status == .ok) }
            }
            #expect(await client.connectionsOpened() <= 5)
        }
    }

    @Test func `a connection that the server closes is not used again`() async throws {
        try await withTestServer(router()) { client in
            let response = try await client.get("/", headers: [.connection: "close"])
            #expect(response.closes)
            #expect(try await client.get("/").closes == false)
            #expect(await client.connectionsOpened() == 2)
        }
    }

    @Test func `bodies are sent as bytes or as chunks, even if they are larger than any buffer and are streamed back`()
        async throws
    {
        let big = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await withTestServer(router()) { client in
            #expect(try await client.post("/collect", body: "text").text == "text")
            #expect(try await client.post("/collect", body: .chunks([[65], [], [66, 67]])).text == "ABC")
            for path in ["/collect", "/echo"] {
                let isSame = try await client.post(path, body: .bytes(big)).body == big
                #expect(isSame)
            }
            #expect(await client.connectionsOpened() == 1)
        }
    }

    @Test func `header fields and methods are sent unchanged, and the response to HEAD has no body`() async throws {
        try await withTestServer(router()) { client in
            #expect(try await client.get("/header", headers: [.accept: "text/x"]).text == "text/x")
            let head = try await client.execute(.head, "/")
            #expect(head.status == .ok && head.body.isEmpty && head[.contentLength] == "4")
            let refused = try await client.execute(.delete, "/")
            #expect(refused.status == .methodNotAllowed && refused[.allow] != nil)
        }
    }

    @Test func `a redirect is not followed`() async throws {
        try await withTestServer(router()) { client in
            let response = try await client.get("/moved")
            #expect(response.status == .found && response[.location] == "/")
        }
    }

    @Test func `the response has the error that its handler has thrown`() async throws {
        try await withTestServer(router()) { client in
            let response = try await client.get("/broken")
            #expect(response.status == .internalServerError)
            #expect(response.errors.first?.metadata["error"] == "the handler is broken")
            #expect(response.description.contains("the handler is broken"))
            #expect(client.logged.count { $0.level == .error } == 1)
            #expect(try await client.get("/").errors.isEmpty)
        }
    }

    @Test func `a response that is cut short is an error that says why`() async throws {
        try await withTestServer(router()) { client in
            let error = await #expect(throws: TestClientError.self) { try await client.get("/cut") }
            #expect(error?.code == .cutShort)
            #expect(error?.description.contains("the handler is broken") == true)
        }
    }

    @Test func `every call has its blocking form`() throws {
        try withTestServer(router()) { client in
            #expect(try client.get("/").text == "root")
            #expect(try client.post("/echo", body: .chunks([[65], [66]])).text == "AB")
            #expect(try client.execute(.head, "/").body.isEmpty)
            #expect(try client.connectionsOpened() == 1)
            #expect(throws: TestClientError.self) { try client.get("/cut") }
            let rest = try client.withConnection { connection in
                try connection.send(.post, "/echo", body: "a")
                #expect(try connection.receiveHead(to: .post).status == .ok)
                #expect(try connection.receivePiece() == [97])
                #expect(try connection.receivePiece() == nil)
                try connection.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return try connection.receiveUntilEnd()
            }
            #expect(String(decoding: rest, as: UTF8.self).hasSuffix("\r\n\r\nroot"))
        }
    }
}
