import Tandem
import TandemHTTP

/// Handlers in blocking style: they look as if they blocked, and the hub serves others meanwhile.
struct LegacyHandlers: Sendable {
    let guests: GuestBook

    func addRoutes(to router: Router) {
        router.get("/legacy/greetings/{guest}") { request in
            let guest = try request.parameters.value("guest", as: String.self)
            let text = try guests.greeting(for: guest)
            // Blocking code calls async code:
            try awaiting { try await guests.sign(guest) }
            return Response(text: text + "\n")
        }
    }
}
