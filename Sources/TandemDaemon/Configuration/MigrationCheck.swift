internal import TandemHTTP

extension Configured {
    /// Checks the items of `migrate.routes` against the routes of the service. Throws a `ConfigurationError` with all problems.
    ///
    /// - Parameters:
    ///   - routes: The routes of the service.
    ///   - check: Throws the problem of one item.
    func checkMigrations(
        _ routes: [RouteDescription], _ check: ([RouteMigration]) throws(MigrationError) -> Void
    ) throws(ConfigurationError) {
        var problems: [ConfigurationError.Problem] = []
        for item in values.http.migrations.routes {
            do throws(MigrationError) {
                try check([item])
            } catch {
                let migrating = routes.filter { $0.migration != nil }.map { "\($0.method.rawValue) \($0.path)" }
                let hint =
                    error.code == .unsafeMethod
                    ? "" : suggestion(for: "\(item.method.rawValue) \(item.path)", among: migrating)
                problems.append(
                    .init(
                        code: .unacceptableValue, place: places["migrate.routes"] ?? "migrate.routes",
                        message: "migrate.routes: \(error)\(hint)"))
            }
        }
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    }
}
