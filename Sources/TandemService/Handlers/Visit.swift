internal import TandemFetch
internal import TandemHTTP

/// How one of the fetches of a fan-out went.
struct Visit: Sendable {
    private let url: String
    private let stopwatch = Stopwatch()
    private var took: Duration = .zero
    private var error: String?
    /// Nil until the upstream has answered.
    var status: HTTPResponse.Status?
    /// Bytes of the body so far.
    var bytes = 0

    /// A visit that starts now.
    init(_ target: FetchRequest) { url = target.url }

    /// Notes that the fetch failed: that is a result like any other. Rethrows what is no failure of the fetch.
    mutating func fail(_ error: any Error) throws {
        guard let error = error as? FetchError else { throw error }
        self.error = error.message
    }

    /// Stops the watch.
    mutating func end() { took = stopwatch.elapsed }

    private var json: JSON {
        let members: [JSON.Member] = [
            .init(name: "url", value: .string(url)),
            .init(name: "status", value: status.map { .integer($0.code) } ?? .null),
            .init(name: "bytes", value: .integer(bytes)),
            .init(name: "milliseconds", value: .milliseconds(took)),
        ]
        return .object(members + (error.map { [.init(name: "error", value: .string($0))] } ?? []))
    }

    /// The answer of a fan-out: every visit in the order of the URLs, and how long all of them took together.
    static func answer(_ visits: [Visit], _ took: Duration) -> Response {
        Response(["results": .array(visits.map(\.json)), "milliseconds": .milliseconds(took)])
    }
}
