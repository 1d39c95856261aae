import FoundationEssentials
import Tandem
import TandemHTTP
import TandemJSON
import TandemTesting
import Testing

// The samples of the documentation comments and of the guide.

private struct Order: Decodable {
    struct Item: Decodable {
        let name: String
        let price: Double
    }
    let customer: UUID
    let items: [Item]
    let due: Date?
}

private struct Greeting: Encodable { let text: String }

private enum SortOrder: String, CaseIterable, ParameterValue { case newest, oldest }

private func samples() -> Router {
    let router = Router()
    router.post("/async/orders") { request in
        let order = try await request.json(as: Order.self)
        return Response(status: .created, text: "\(order.items.count) items\n")
    }
    router.post("/blocking/orders") { request in
        let order = try request.json(as: Order.self)
        return Response(status: .created, text: "\(order.items.count) items\n")
    }
    router.get("/hello") { _ in try Response(json: Greeting(text: "hello")) }
    router.post("/signup") { request in
        let form = try await request.form()
        let name = try form.value("name", as: String.self)
        let age = try form.valueIfPresent("age", as: Int.self, in: 0...150)
        return Response(text: "welcome, \(name) (\(age ?? 0))\n")
    }
    router.get("/search") { request in
        let query = try request.query
        let text = try query.value("q", as: String.self)
        let page = try query.valueIfPresent("page", as: Int.self, in: 1...1_000) ?? 1
        let order = try query.valueIfPresent("sort", as: SortOrder.self) ?? .newest
        let tags = try query.values("tag", as: String.self, count: 0...5)
        return Response(text: "page \(page) of \(text), \(order) first, \(tags.count) tags\n")
    }
    router.get("/orders/{id}") { request in
        let id = try request.parameters.value("id", as: Int.self)
        return Response(text: "order \(id)\n")
    }
    router.post("/login") { request in
        var response = Response(text: "welcome\n")
        try response.setCookie(Cookie("__Host-session", "4711", maxAge: .seconds(8 * 3600)))
        return response
    }
    router.get("/account") { request in
        guard let session = request.cookies["__Host-session"] else { throw HTTPError(.unauthorized, "log in first") }
        return Response(text: "session \(session)\n")
    }
    router.post("/logout") { request in
        var response = Response(text: "goodbye\n")
        try response.deleteCookie("__Host-session")
        return response
    }
    return router
}

@Suite(.timeLimit(.minutes(1)))
struct SampleTests {
    @Test func `the samples answer as the guide says`() async throws {
        try await withTestServer(samples()) { client in
            let json: HTTPFields = [.contentType: "application/json"]
            let order = #"{"customer":"6F9619FF-8B86-D011-B42D-00CF4FC964FF","items":[{"name":"chair","price":19.5}]}"#
            for path in ["/async/orders", "/blocking/orders"] {
                #expect(try await client.post(path, headers: json, body: .text(order)).text == "1 items\n")
                let wrong = order.replacing("19.5", with: "\"19.5\"")
                let refused = try await client.post(path, headers: json, body: .text(wrong))
                #expect(refused.status == .badRequest)
                #expect(refused.text == "items[0].price: expected a number, found a string\n")
            }
            #expect(try await client.get("/hello").text == #"{"text":"hello"}"#)
            let form: HTTPFields = [.contentType: "application/x-www-form-urlencoded"]
            #expect(try await client.post("/signup", headers: form, body: "name=Ada&age=36").text == "welcome, Ada (36)\n")
            #expect(try await client.get("/search?q=x&tag=a&tag=b").text == "page 1 of x, newest first, 2 tags\n")
            let refused = try await client.get("/search?q=x&sort=best")
            #expect(refused.status == .badRequest)
            #expect(refused.text == "sort: expected one of newest, oldest, found \"best\"\n")
            #expect(try await client.get("/orders/7").text == "order 7\n")
            let missing = try await client.get("/orders/x")
            #expect(missing.status == .notFound)
            #expect(missing.text == "id: expected a whole number, found \"x\"\n")
        }
    }

    @Test func `a session's cookie is set, read and deleted`() async throws {
        try await withTestServer(samples()) { client in
            let set = try #require(try await client.post("/login")[.setCookie])
            #expect(set == "__Host-session=4711; Path=/; Max-Age=28800; Secure; HttpOnly; SameSite=Lax")
            let pair = String(set.prefix { $0 != ";" })
            #expect(try await client.get("/account", headers: [.cookie: pair]).text == "session 4711\n")
            #expect(try await client.get("/account").status == .unauthorized)
            #expect(try await client.post("/logout")[.setCookie]?.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT") == true)
        }
    }
}
