internal import TandemDaemon
internal import TandemHTTP

/// The demonstration daemon: every endpoint in both styles, under `/blocking/` and `/async/`. To add one, write a file in
/// `Endpoints/` like those that are there, and add a line below.
@main
struct Tandemd: DaemonService {
    static let name = "tandemd"
    static let version = "0.1.0"
    static let summary = "Blocking and async HTTP handlers on one thread."
    static let environmentPrefix = "TANDEM"
    private let context: DaemonContext

    init(_ context: DaemonContext) { self.context = context }

    func addRoutes(to router: Router) {
        Fixed().addRoutes(to: router)
        Sleep().addRoutes(to: router)
        Echo().addRoutes(to: router)
        Stream().addRoutes(to: router)
        Fetch(client: context.client).addRoutes(to: router)
        FanOut(client: context.client).addRoutes(to: router)
        Bridge().addRoutes(to: router)
        WhoAmI().addRoutes(to: router)
        Moved().addRoutes(to: router)
        Legacy(context).addRoutes(to: router)
    }
}
