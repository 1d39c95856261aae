import OldShop
import Tandem
import TandemHTTP
import TandemJSON

/// Handlers in blocking style, as they were when each request had a thread.
struct OldHandlers: Sendable {
    let storefront: Storefront
    let partners: Partners

    func addRoutes(to router: Router) {
        let router = router.group("")
        // The old half knows no cancellation. When a client leaves, an order that has begun is completed, and a query keeps its connection
        // until it ends: otherwise the pool would open another one while PostgreSQL still works on the first.
        router.use { request, next in try await withCancellationShield { try await next(request) } }
        router.get("/products") { _ in try Response(json: try storefront.catalogue.products()) }
        router.get("/products/{id}") { request in try Response(json: try storefront.product(request.id())) }
        router.get("/products/{id}/price") { request in
            let currency = try request.query.value("currency", as: Currency.self).code
            return try Response(json: Price(currency: currency, hundredths: storefront.price(of: request.id(), in: currency)))
        }
        router.put("/products/{id}/price") { request in
            let new = try request.json(as: NewPrice.self)
            guard 1...100_000_000 ~= new.cents else {
                throw HTTPError(.badRequest, "cents: expected a number from 1 to 100000000")
            }
            try storefront.setPrice(of: request.id(), cents: new.cents)
            return Response(status: .noContent)
        }
        router.post("/orders") { request in
            let new = try request.json(as: NewOrder.self)
            try new.check()
            let order = try storefront.order(new.product, quantity: new.quantity, for: new.customer)
            return try Response(status: .created, json: order)
        }
        router.get("/orders/{id}") { request in
            let order = try storefront.order(request.id())
            // Blocking code calls async code:
            let delivery = try awaiting { try await partners.delivery(of: order.id) }
            return try Response(json: Tracking(order: order, delivery: delivery))
        }
        router.get("/orders/{id}/receipt") { request in Response(text: try receipt(of: storefront.order(request.id()))) }
        router.get("/slow-report") { request in try Response(json: storefront.report(seconds: request.seconds())) }
    }
}
