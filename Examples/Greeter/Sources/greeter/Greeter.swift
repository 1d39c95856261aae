import TandemDaemon
import TandemHTTP

/// The program: `@main` gives it its commands, see `greeter --help`.
@main
struct Greeter: DaemonService {
    static let name = "greeter"
    static let version = "1.0.0"
    private let guests: GuestBook

    init(_ context: DaemonContext) { guests = GuestBook(context.config) }

    func addRoutes(to router: Router) {
        LegacyHandlers(guests: guests).addRoutes(to: router)
        Handlers(guests: guests).addRoutes(to: router)
    }
}
