import TandemDaemon
import TandemHTTP

/// The program: `@main` gives it its commands, see `stage3 --help`.
@main
struct Tickets: DaemonService {
    static let name = "tickets"
    static let version = "1.0.0"
    private let newHandlers: NewHandlers

    init(_ context: DaemonContext) throws {
        let config = context.config
        let store = TicketStore(
            file: try config.requiredString(forKey: "database.file"), pool: try context.makeOffloadPool("sqlite", threads: 1))
        let rates = Rates(
            url: try config.requiredString(forKey: "rates.url"), timeout: try config.requiredInt(forKey: "rates.timeout-ms"))
        newHandlers = NewHandlers(store: store, rates: rates)
    }

    func addRoutes(to router: Router) {
        router.answerErrors()
        router.completeRequests()
        newHandlers.addRoutes(to: router)
    }
}
