internal import Tandem
internal import TandemHTTP

extension Hub {
    /// The name of the hub's thread, such as "tandemd-0".
    var shownName: String { "\(configuration.name)-\(index)" }
}

extension HubReport {
    /// The name of the hub's thread.
    var shownName: String { "\(hubName)-\(hubIndex)" }
}

extension RouteDescription {
    /// The method and the path, such as "GET /title": the name of the green threads that run the route.
    var shownName: String { "\(method.rawValue) \(path)" }
}

extension MigrationReport.Route {
    /// The method and the path, as for a route.
    var shownName: String { "\(method.rawValue) \(path)" }
}
