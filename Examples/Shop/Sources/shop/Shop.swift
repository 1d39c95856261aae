import OldShop
import TandemDaemon
import TandemHTTP

/// The program: `@main` gives it its commands, see `shop --help`.
@main
struct Shop: DaemonService {
    static let name = "shop"
    static let version = "1.0.0"
    private let storefront: Storefront
    private let partners: Partners

    init(_ context: DaemonContext) throws {
        let config = context.config
        let address = try config.requiredString(forKey: "partners.url")
        storefront = Storefront(
            catalogue: try config.requiredString(forKey: "catalogue.file"),
            database: try config.requiredString(forKey: "database.connection"),
            connections: try config.requiredInt(forKey: "database.connections"),
            redis: (try config.requiredString(forKey: "redis.host"), try config.requiredInt(forKey: "redis.port")),
            partners: address)
        partners = Partners(address, context.client)
    }

    func addRoutes(to router: Router) {
        router.answerErrors()
        OldHandlers(storefront: storefront, partners: partners).addRoutes(to: router)
        NewHandlers(storefront: storefront, partners: partners).addRoutes(to: router)
        PartnerHandlers().addRoutes(to: router)
    }
}

/// Its locks and pools guard what threads share.
extension Storefront: @unchecked Sendable {}
