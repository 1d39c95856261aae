internal import Tandem
internal import TandemHTTP
internal import TandemJSON

/// `whoami` answers where the handler runs: on the same hub and OS thread in both styles, and on a green thread in blocking style. The
/// two handlers of the migrating route `/moved/whoami` therefore differ, for trying out what a comparison finds.
struct WhoAmI {
    func addRoutes(to router: Router) {
        router.get("/blocking/whoami") { _ in try Response(json: Place(style: "blocking")) }
        router.get("/async/whoami") { _ async throws in try Response(json: Place(style: "async")) }
        router.migrate(
            .get, "/moved/whoami",
            from: { _ in try Response(json: Place(style: "blocking")) },
            to: { _ async throws in try Response(json: Place(style: "async")) },
            comparing: .json)
    }

    private struct Place: Encodable {
        let style: String
        let hub = Hub.current?.index
        let osThread = GreenThreadIdentity.osThread
        let greenThread = GreenThreadIdentity.current

        private enum CodingKeys: CodingKey { case style, hub, osThread, greenThread }

        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: CodingKeys.self)
            try object.encode(style, forKey: .style)
            try object.encode(hub, forKey: .hub)
            try object.encode(osThread, forKey: .osThread)
            // Null in async style.
            try object.encode(greenThread, forKey: .greenThread)
        }
    }
}
