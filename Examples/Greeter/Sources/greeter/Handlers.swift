import Tandem
import TandemHTTP
import TandemJSON

/// Handlers in async style.
struct Handlers: Sendable {
    let guests: GuestBook

    func addRoutes(to router: Router) {
        router.post("/greetings") { request in
            let new = try await request.json(as: NewGreeting.self)
            guard !new.guest.isEmpty else { throw HTTPError(.badRequest, "guest: expected a name, found an empty text") }
            // Async code calls blocking code:
            let text = try await blocking { try guests.greeting(for: new.guest) }
            try await guests.sign(new.guest)
            return try Response(status: .created, json: Greeting(guest: new.guest, text: text))
        }
        router.get("/greetings") { request async throws in
            let limit = try request.query.valueIfPresent("limit", in: 1...100) ?? 10
            return try Response(json: ["guests": guests.newest(limit)])
        }
    }
}

/// The body of a request.
struct NewGreeting: Decodable {
    let guest: String
}

/// The body of an answer.
struct Greeting: Codable, Equatable {
    let guest: String
    let text: String
}
