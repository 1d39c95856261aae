import Tandem  // hidden
import FoundationEssentials
import TandemHTTP
import TandemJSON

private func json(_ router: Router) {  // hidden
    struct Order: Decodable {
        struct Item: Decodable {
            let name: String
            let price: Double
        }
        let customer: UUID
        let items: [Item]
        let due: Date?
    }

    struct Greeting: Encodable { let text: String }

    router.post("/async/orders") { request in
        let order = try await request.json(as: Order.self)
        return Response(status: .created, text: "\(order.items.count) items\n")
    }
    router.post("/blocking/orders") { request in
        let order = try request.json(as: Order.self)
        return Response(status: .created, text: "\(order.items.count) items\n")
    }
    router.get("/hello") { _ in try Response(json: Greeting(text: "hello")) }
}

private func offloaded(_ router: Router) {
    struct Order: Decodable { let customer: String }
    router.post("/import") { request in
        try request.requireJSON()
        let bytes = try await request.body.collect(upTo: 16 << 20)
        let orders = try await offload { try decodeJSON(bytes, as: [Order].self) }
        return Response(text: "\(orders.count) orders\n")
    }
}

enum SortOrder: String, CaseIterable, ParameterValue { case newest, oldest }

private func parameters(_ router: Router) {  // hidden
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
}

struct CountryCode: ParameterValue {
    static var expectation: String { "a country code of two letters" }
    let letters: String

    init?(parameter text: String) {
        guard text.count == 2, text.allSatisfy({ $0.isASCII && $0.isLetter }) else { return nil }
        letters = text.uppercased()
    }
}

private func forms(_ router: Router) {
    router.post("/signup") { request in
        let form = try await request.form()
        let name = try form.value("name", as: String.self)
        let age = try form.valueIfPresent("age", as: Int.self, in: 0...150)
        return Response(text: "welcome, \(name) (\(age ?? 0))\n")
    }
}

private func cookies(_ router: Router) {
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
}
