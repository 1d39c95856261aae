internal import Tandem
internal import TandemHTTP

/// `sleep?ms=N` waits N milliseconds and answers "ok".
struct Sleep {
    private static let ok = Response(text: "ok")

    func addRoutes(to router: Router) {
        router.get("/blocking/sleep") { request in
            try sleep(for: Self.duration(request))
            return Self.ok
        }
        router.get("/async/sleep") { request in
            try await sleep(for: Self.duration(request))
            return Self.ok
        }
    }

    private static func duration(_ request: Request) throws(HTTPError) -> Duration {
        .milliseconds(try request.query.value("ms", as: Int.self, in: 0...600_000))
    }
}
