import OldShop
import Tandem
import TandemHTTP
import TandemJSON

/// Handlers in async style.
struct NewHandlers: Sendable {
    let storefront: Storefront
    let partners: Partners

    func addRoutes(to router: Router) {
        router.group("/async") { router in
            // The same answer as the old handler gives. `rate` is ported, `product` is not, and both run at the same time.
            router.get("/products/{id}/price") { request in
                let currency = try request.query.value("currency", as: Currency.self).code
                let id = try request.id()
                async let rate = partners.rate(of: currency)
                // Async code calls blocking code:
                let product = try await callOldShop { try storefront.product(id) }
                let hundredths = Int((Double(product.cents) * (try await rate)).rounded())
                return try Response(json: Price(currency: currency, hundredths: hundredths))
            }
            router.get("/orders/{id}") { request in
                let id = try request.id()
                async let delivery = partners.delivery(of: id)
                let order = try await callOldShop { try storefront.order(id) }
                return try Response(json: Tracking(order: order, delivery: try await delivery))
            }
        }
    }
}

/// Runs code of the old half, which is not cancelled: see `OldHandlers`.
private func callOldShop<Success>(_ body: () throws -> Success) async throws -> Success {
    try await withCancellationShield { try await blocking(body) }
}
