import Tandem
import TandemHTTP

/// Stand-ins for the partners, so that the example needs no network. Each takes as long as a real one.
struct PartnerHandlers: Sendable {
    func addRoutes(to router: Router) {
        router.group("/partners") { router in
            router.get("/rates/{currency}") { request in
                try await sleep(for: .milliseconds(50))
                let rates = ["CHF": "0.95", "USD": "1.10"]
                guard let rate = rates[request.parameters["currency"]!] else { throw HTTPError(.notFound, "no such currency") }
                return Response(text: rate)
            }
            router.post("/payments") { request in
                let form = try await request.form()
                let order = try form.value("order", as: Int.self)
                try await sleep(for: .milliseconds(100))
                guard try form.value("cents", as: Int.self) <= 100_000 else { throw HTTPError(.init(code: 402), "refused") }
                return Response(text: "paid-\(order)")
            }
            router.get("/deliveries/{order}") { _ in
                try await sleep(for: .milliseconds(50))
                return Response(text: "tomorrow")
            }
        }
    }
}
