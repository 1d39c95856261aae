import Tandem
import TandemHTTP
import TandemJSON
import TandemTesting
import Testing

private struct Greeting: Codable, Equatable { let name: String }

/// A type that contains itself: each level of the text is a level of calls.
private final class Tree: Codable {
    let children: [Tree]
    let names: [String: [String: Tree]]?
}

@Suite(.timeLimit(.minutes(1)))
struct RequestJSONTests {
    private let text = #"{"name":"Ada"}"#

    private func request(_ body: String, type: String? = "application/json") -> Request {
        Request(method: .post, path: "/", headers: type.map { [.contentType: $0] } ?? [:], body: Array(body.utf8))
    }

    /// A body in memory never waits, so this needs no green thread.
    private static func blockingJSON(_ request: Request, upTo limit: Int) throws -> Greeting {
        try request.json(as: Greeting.self, upTo: limit)
    }

    @Test func `a body is decoded in both styles`() async throws {
        #expect(try await request(text).json(as: Greeting.self) == Greeting(name: "Ada"))
        #expect(try Self.blockingJSON(request(text), upTo: 14) == Greeting(name: "Ada"))
        let inferred: Greeting = try await request(text).json()
        #expect(inferred.name == "Ada")
    }

    @Test(arguments: [
        "application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json", "application/problem+JSON;x=y",
    ])
    func `types of JSON are accepted`(type: String) async throws {
        #expect(try await request(text, type: type).json(as: Greeting.self).name == "Ada")
    }

    @Test(arguments: [
        nil, "text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", "json",
        "application/json; charset=utf-16",
    ])
    func `other types are 415`(type: String?) async throws {
        let error = try await #require(throws: HTTPError.self) { try await request(text, type: type).json(as: Greeting.self) }
        #expect(error.status == .unsupportedMediaType)
        #expect(error.message.hasSuffix(": expected application/json"))
        #expect(error.headers[.accept] == "application/json")
    }

    @Test func `a body beyond the limit is 413`() async throws {
        let error = try await #require(throws: HTTPError.self) { try await request(text).json(as: Greeting.self, upTo: 13) }
        #expect(error.status == .contentTooLarge)
        let blocking = try #require(throws: HTTPError.self) { try Self.blockingJSON(request(text), upTo: 13) }
        #expect(blocking.status == .contentTooLarge)
        let long = request("\"" + String(repeating: "x", count: 1_048_575) + "\"")
        await #expect(throws: HTTPError.self) { try await long.json(as: String.self) }
    }

    @Test func `an empty body is 400`() async throws {
        let error = try await #require(throws: HTTPError.self) { try await request("").json(as: Greeting.self) }
        #expect(error.status == .badRequest)
    }

    // MARK: Over a connection

    private func router() -> Router {
        let router = Router()
        router.post("/async") { request in try Response(json: try await request.json(as: Greeting.self)) }
        router.post("/blocking") { request in try Response(json: try request.json(as: Greeting.self)) }
        router.post("/async/tree") { request in try Response(json: try await request.json(as: Tree.self)) }
        router.post("/blocking/tree") { request in
            let tree = try request.json(as: Tree.self)
            return try Response(json: tree)
        }
        router.post("/blocking/any") { request in try Response(json: try request.json(as: AnyJSON.self)) }
        router.post("/offload") { request in
            try request.requireJSON()
            let bytes = try await request.body.collect(upTo: 16 << 20)
            let greetings = try await offload { try decodeJSON(bytes, as: [Greeting].self) }
            return Response(text: "\(greetings.count)")
        }
        return router
    }

    @Test(arguments: ["/async", "/blocking"])
    func `a server answers with JSON or says what is wrong`(path: String) async throws {
        try await withTestServer(router()) { client in
            let headers: HTTPFields = [.contentType: "application/json"]
            let answer = try await client.post(path, headers: headers, body: .text(text))
            #expect(answer.status == .ok)
            #expect(answer[.contentType] == "application/json")
            #expect(answer.text == text)
            let wrong = try await client.post(path, headers: headers, body: #"{"name":7}"#)
            #expect(wrong.status == .badRequest)
            #expect(wrong.text == "name: expected a string, found a number\n")
            let plain = try await client.post(path, body: #"{"name":7}"#)
            #expect(plain.status == .unsupportedMediaType)
            #expect(plain[.accept] == "application/json")
            let long = try await client.post(path, headers: headers, body: .text(String(repeating: " ", count: 1_048_577)))
            #expect(long.status == .contentTooLarge)
        }
    }

    @Test func `a server's own limit holds for a handler that takes more`() async throws {
        var configuration = HTTPServerConfiguration()
        configuration.maxBodyBytes = 10
        try await withTestServer(router(), configuration: configuration) { client in
            let answer = try await client.post("/async", headers: [.contentType: "application/json"], body: .text(text))
            #expect(answer.status == .contentTooLarge)
        }
    }

    /// Half the usual size, so that there is room for a handler's own calls.
    private static let smallStacks = {
        var configuration = HTTPServerConfiguration()
        configuration.hub.stackSize = 128 * 1024
        return configuration
    }()

    @Test(arguments: ["/async/tree", "/blocking/tree"])
    func `the deepest type that contains itself fits on a green stack`(path: String) async throws {
        let tree =
            String(repeating: #"{"children":[],"names":{"a":{"b":"#, count: 20) + #"{"children":[{"children":[]}]}"#
            + String(repeating: "}}}", count: 20)
        let list = String(repeating: #"{"children":["#, count: 32) + String(repeating: "]}", count: 32)
        try await withTestServer(router(), configuration: Self.smallStacks) { client in
            for body in [tree, list] {
                let answer = try await client.post(path, headers: [.contentType: "application/json"], body: .text(body))
                #expect(answer.status == .ok, "\(answer)")
                #expect(answer.text == body)
            }
            let bomb = String(repeating: #"{"children":["#, count: 50_000)
            let refused = try await client.post(path, headers: [.contentType: "application/json"], body: .text(bomb))
            #expect(refused.status == .badRequest)
            #expect(refused.text.contains("nested more than 64 levels deep"))
        }
    }

    @Test func `any value of the deepest nesting fits on a green stack`() async throws {
        let body = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        try await withTestServer(router(), configuration: Self.smallStacks) { client in
            let answer = try await client.post("/blocking/any", headers: [.contentType: "application/json"], body: .text(body))
            #expect(answer.status == .ok)
            #expect(answer.text == body)
        }
    }

    @Test func `a large body is decoded on the offload pool`() async throws {
        let body = "[" + Array(repeating: text, count: 10_000).joined(separator: ",") + "]"
        try await withTestServer(router()) { client in
            let answer = try await client.post("/offload", headers: [.contentType: "application/json"], body: .text(body))
            #expect(answer.text == "10000")
        }
    }
}
