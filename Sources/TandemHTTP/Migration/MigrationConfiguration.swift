public import HTTPTypes

/// The configuration of all migrating routes of a server. A reload changes it for the next request.
public struct MigrationConfiguration: Sendable, Hashable {
    /// The details of differing answers that the server keeps for the report.
    public enum Samples: String, Sendable, Hashable, CaseIterable {
        /// None.
        case none
        /// Statuses, sizes, and the offset of the first byte that differs. No values that a client sent or got; but the report names the
        /// parts that differ, and so the members of JSON objects.
        case shape
        /// Also excerpts of field values and bodies, which may be personal data.
        case body
    }

    /// Whether routes migrate. False sends each request to its old handler, and runs no shadow: a kill switch.
    public var isEnabled = true
    /// The modes that replace those in code. For two items of one route the last one counts.
    public var routes: [RouteMigration] = []
    /// The maximum number of sampled requests per hub, from the head of a request until its shadow has ended. Further requests are not
    /// sampled. 16: they may hold 32 answers of `maxCompareBytes`.
    public var shadowMaxInFlight = 16
    /// The maximum time of a shadow, after which the server cancels it, and of the answer that it waits for.
    public var shadowTimeout: Duration = .seconds(30)
    /// The maximum size in bytes of the body of a request that is sampled.
    public var shadowMaxBodyBytes = 64 * 1024
    /// The maximum size in bytes of the body of an answer that is compared.
    public var compareMaxBytes = 1024 * 1024
    /// The number of percentage points by which the new handler's share of errors must exceed the old one's before the guard sends
    /// all requests of the route to the old handler. An error is an answer of 500 or above, or one that the server could not send
    /// in full for a reason other than the client. 0 turns the guard off.
    public var guardErrorPoints = 1
    /// The number of requests that a route must have had, in the minute that began with an error, before the guard acts.
    public var guardMinRequests = 200
    /// The details of differing answers to keep.
    public var samples = Samples.shape
    /// A header field whose value `old` or `new` selects the handler of that request; nil for none. Any client can send the field,
    /// unless a proxy in front removes it.
    public var overrideField: HTTPField.Name?

    /// Creates a configuration with the defaults.
    public init() {}
}

/// Why the modes of a configuration do not fit the routes of a server.
public struct MigrationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error. Later versions may add kinds.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String { case unknownRoute, notMigrating, unsafeMethod }
        let value: Value

        /// The router has no route with this method and path.
        public static let unknownRoute = Code(value: .unknownRoute)
        /// The route has a single handler.
        public static let notMigrating = Code(value: .notMigrating)
        /// The mode runs a second handler on copies of requests with an unsafe method, and code has not permitted that with an
        /// `UnsafeShadow`.
        public static let unsafeMethod = Code(value: .unsafeMethod)

        /// The name of the static member.
        public var description: String { value.rawValue }
    }

    /// The kind of error.
    public let code: Code
    /// The item that does not fit.
    public let item: RouteMigration

    init(_ code: Code, _ item: RouteMigration) {
        self.code = code
        self.item = item
    }

    /// A sentence that names the route.
    public var description: String {
        switch code.value {
        case .unknownRoute: "there is no route \(item.route)"
        case .notMigrating: "the route \(item.route) has one handler, and no other to migrate to"
        case .unsafeMethod:
            "\(item.route) runs no shadows: \(item.method.rawValue) is not a safe method, and the code gives no UnsafeShadow"
        }
    }
}

extension Router {
    /// Checks that these modes fit the routes. `HTTPServer` makes the same check when it starts and at a reload.
    ///
    /// - Throws: The first `MigrationError`.
    public func check(_ migrations: [RouteMigration]) throws(MigrationError) { try table.check(migrations) }
}

extension RouteTable {
    func check(_ migrations: [RouteMigration]) throws(MigrationError) {
        for item in migrations {
            guard let route = routes.first(where: { $0.method == item.method && $0.pattern.description == item.path }) else {
                throw MigrationError(.unknownRoute, item)
            }
            guard let pair = route.pair else { throw MigrationError(.notMigrating, item) }
            guard pair.permits(item.migration, route.method) else { throw MigrationError(.unsafeMethod, item) }
        }
    }
}
