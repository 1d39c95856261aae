import TandemHTTP
import TandemTesting
import Testing

@Test func usersAreGreeted() async throws {
    try await withTestServer(makeRouter()) { client in
        let response = try await client.get("/users/7", headers: [.accept: "text/plain"])
        #expect(response.status == .ok)
        #expect(response.text == "hello, number 7")
    }
}

@Test func usersAreGreetedByBlockingCode() throws {  // not async: the same calls without await
    try withTestServer(makeRouter()) { client in
        let response = try client.post("/users", body: "Ada")
        #expect(response.status == .created)
    }
}

/// The router of the samples of docs/testing.md.
func makeRouter() -> Router {
    let router = Router()
    router.get("/users/{id}") { request in Response(text: "hello, number \(request.parameters["id"]!)") }
    router.post("/users") { _ in Response(status: .created) }
    router.get("/sleep") { request in try await sleepAsAsked(by: request) }
    return router
}
