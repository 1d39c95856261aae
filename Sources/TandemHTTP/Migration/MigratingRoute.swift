internal import HTTPTypes
internal import Tandem

/// The two handlers of a migrating route, and what code says about them.
struct MigratingPair: Sendable {
    let old: Handler
    let new: Handler
    /// The mode in code.
    let migration: Migration
    let comparison: AnswerComparison
    let unsafe: UnsafeShadow?

    /// Whether the mode may be used with this method.
    func permits(_ migration: Migration, _ method: HTTPRequest.Method) -> Bool {
        !migration.runsShadows || method.isSafe || unsafe != nil
    }
}

extension HTTPRequest.Method {
    /// Whether the method is safe: it asks for no change (RFC 9110 section 9.2.1).
    var isSafe: Bool {
        switch self {
        case .get, .head, .options, .trace: true
        default: false
        }
    }
}

/// A migrating route of one server, shared by its hubs.
///
/// To middleware it is one handler. The exchange chooses before the middleware runs, among four variants of the route that differ
/// only in the handler. So a request that is not sampled costs what a request to a plain route costs, and the access log and the
/// check of green threads see the style of the chosen handler.
final class MigratingRoute: Sendable {
    let method: HTTPRequest.Method
    let path: String
    let pair: MigratingPair
    let bucket: MigrationBucket
    let `guard` = MigrationGuard()
    /// The name of shadows, in dumps and in reports of stalls.
    let shadowName: GreenThreadName
    // The variants: the route with one of the handlers, and inside them the code that starts a shadow.
    let old: Route
    let new: Route
    let sampledOld: Route
    let sampledNew: Route

    /// - Parameter variant: Returns the route with another handler, inside its middleware.
    init(_ route: Route, _ pair: MigratingPair, _ variant: (Handler) -> Route) {
        method = route.method
        path = route.pattern.description
        self.pair = pair
        bucket = MigrationBucket(route: route.description)
        shadowName = GreenThreadName(permanent: "shadow \(route)")
        old = variant(pair.old)
        new = variant(pair.new)
        sampledOld = variant(pair.old.sampled)
        sampledNew = variant(pair.new.sampled)
    }
}

extension Handler {
    /// The handler of a sampled request: it begins the sample and keeps the answer. It runs inside the middleware, so that the shadow gets
    /// the task-locals that middleware binds.
    fileprivate var sampled: Handler {
        switch self {
        case .async(let handler):
            .async { request in
                guard let sample = request.takeSample() else { return try await handler(request) }
                let request = sample.begin(request)
                do {
                    return sample.keep(try await handler(request))
                } catch {
                    sample.keep(error)
                    throw error
                }
            }
        case .blocking(let handler):
            .blocking { request in
                guard let sample = request.takeSample() else { return try handler(request) }
                let request = sample.begin(request)
                do {
                    return sample.keep(try handler(request))
                } catch {
                    sample.keep(error)
                    throw error
                }
            }
        }
    }
}
