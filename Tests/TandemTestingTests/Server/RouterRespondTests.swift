import Tandem
import TandemHTTP
import TandemTesting
import Testing

@Suite(.timeLimit(.minutes(1)))
struct RouterRespondTests {
    private struct Broken: Error {}

    private func router() -> Router {
        let router = Router()
        router.get("/async/{id}") { request async in Response(text: request.parameters["id"]!) }
        router.get("/blocking/{id}") { request in
            try sleep(for: .milliseconds(1))
            return Response(text: request.parameters["id"]!)
        }
        router.get("/refused") { _ in throw HTTPError(.forbidden, "no") }
        router.get("/broken") { _ in throw Broken() }
        return router
    }

    @Test(arguments: ["async", "blocking"])
    func `a request gets its route's answer, with the route's parameters`(style: String) async throws {
        let request = Request(path: "/\(style)/a%20b", parameters: ["id": "other"])
        let response = try await router().respond(to: request)
        #expect(try await response.collectBody() == Array("a b".utf8))
    }

    @Test func `errors with a status become answers, and others are thrown`() async throws {
        let router = router()
        #expect(try await router.respond(to: Request(path: "/refused")).status == .forbidden)
        #expect(try await router.respond(to: Request(path: "/nowhere")).status == .notFound)
        let wrong = try await router.respond(to: Request(method: .delete, path: "/refused"))
        #expect(wrong.status == .methodNotAllowed && wrong.headers[.allow] == "GET, HEAD, OPTIONS")
        await #expect(throws: Broken.self) { try await router.respond(to: Request(path: "/broken")) }
    }

    @Test func `blocking code calls respond without await`() async throws {
        let body = try await blocking {
            try router().respond(to: Request(path: "/blocking/7")).collectBody()
        }
        #expect(body == Array("7".utf8))
    }
}
