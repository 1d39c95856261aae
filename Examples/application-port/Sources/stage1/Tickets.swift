import TandemDaemon
import TandemHTTP

/// The program: `@main` gives it its commands, see `stage1 --help`.
@main
struct Tickets: DaemonService {
    static let name = "tickets"
    static let version = "1.0.0"
    private let handlers: Handlers

    init(_ context: DaemonContext) throws {
        let config = context.config
        let store = TicketStore(file: try config.requiredString(forKey: "database.file"))
        let rates = Rates(
            url: try config.requiredString(forKey: "rates.url"), timeout: try config.requiredInt(forKey: "rates.timeout-ms"))
        handlers = Handlers(store: store, rates: rates)
    }

    func addRoutes(to router: Router) {
        router.answerErrors()
        router.completeRequests()
        handlers.addRoutes(to: router)
    }
}
