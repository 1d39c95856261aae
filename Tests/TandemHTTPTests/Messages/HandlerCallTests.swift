import Tandem
import TandemHTTP
import Testing

/// Tests that call handlers directly, in their own style, without a server.
@Suite(.timeLimit(.minutes(1)))
struct HandlerCallTests {
    private func greet(_ request: Request) throws -> Response {
        let name = try #require(request.parameters["name"])
        return Response(text: "\(request.method.rawValue) \(name) \(try request.query["x"] ?? "-") \(request[.accept] ?? "-")")
    }

    private func echo(_ request: Request) async throws -> Response {
        let body = try await request.body.collect(upTo: 100)
        return Response(streaming: { writer in
            for byte in body { try await writer.write([byte]) }
        })
    }

    private func blockingEcho(_ request: Request) throws -> Response {
        let body = try request.body.collect(upTo: 100)
        return Response(contentLength: body.count, streaming: { writer in try writer.write(body) })
    }

    @Test
    func `a blocking handler sees the request as a client would have sent it`() throws {
        let response = try greet(
            Request(path: "/hello/ada?x=1", headers: [.accept: "text/plain"], parameters: ["name": "ada"]))
        #expect(response.status == .ok)
        #expect(try response.collectBody() == Array("GET ada 1 text/plain".utf8))
    }

    @Test
    func `an async handler reads the body, and the test collects its stream`() async throws {
        let request = Request(method: .post, path: "/echo", body: Array("abc".utf8), remoteAddress: "[::1]:4711")
        #expect(request.remoteAddress == "[::1]:4711")
        #expect(request[.contentLength] == "3" && request[.init("Host")!] == "localhost")
        #expect(request.body.contentLength == 3 && request.tls == nil && !request.draining.hasBegun)
        let response = try await echo(request)
        #expect(try await response.collectBody() == Array("abc".utf8))
    }

    @Test
    func `a blocking stream can be collected on the test's own thread and on a green thread`() async throws {
        let request = { Request(method: .post, path: "/echo", body: Array("abc".utf8)) }
        func here() throws -> [UInt8] { try blockingEcho(request()).collectBody() }
        #expect(try here() == Array("abc".utf8))
        #expect(try await Tandem.blocking { try blockingEcho(request()).collectBody() } == Array("abc".utf8))
        let short = Response(contentLength: 5, streaming: { writer in try writer.write([1]) })
        await #expect(throws: HTTPError.self) { try await short.collectBody() }
    }

    @Test
    func `a blocking handler that waits is called in blocking { }, as in docs/http-server.md`() async throws {
        @Sendable func greet(_ request: Request) throws -> Response {
            try sleep(for: .milliseconds(1))
            return Response(text: "hello, \(request.parameters["name"] ?? "nobody")")
        }
        let response = try await Tandem.blocking { try greet(Request(path: "/hello/ada", parameters: ["name": "ada"])) }
        #expect(response.status == .ok)
        #expect(try await response.collectBody() == Array("hello, ada".utf8))
    }

    @Test
    func `the test catches the error that a handler throws`() async throws {
        let request = Request(method: .post, path: "/echo", body: [UInt8](repeating: 0, count: 101))
        await #expect(throws: HTTPError.self) { try await echo(request) }
    }
}
