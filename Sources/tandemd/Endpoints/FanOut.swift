internal import Tandem
internal import TandemFetch
internal import TandemHTTP
internal import TandemJSON

/// `fanout?url=U&url=V` fetches all URLs concurrently, and responds with the result and the timing of each.
struct FanOut {
    private static let urlCount = 1...64

    let client: FetchClient

    func addRoutes(to router: Router) {
        router.get("/blocking/fanout", visitBlocking)
        router.get("/async/fanout", visit)
    }

    @Sendable private func visitBlocking(_ request: Request) throws -> Response {
        let targets = try targets(of: request)
        let start = ContinuousClock.now
        let threads = targets.map { target in GreenThread(name: "fan-out") { try Visit(of: target, by: client) } }
        // When the client goes away, nobody needs their results.
        defer { for thread in threads { thread.cancel() } }
        return try Answer(results: threads.map { try $0.wait() }, since: start).response
    }

    @Sendable private func visit(_ request: Request) async throws -> Response {
        let targets = try targets(of: request)
        let start = ContinuousClock.now
        let visits = try await withThrowingTaskGroup(of: (Int, Visit).self) { group in
            for (index, target) in targets.enumerated() {
                group.addTask { (index, try await Visit(of: target, by: client)) }
            }
            return try await group.reduce(into: [Int: Visit]()) { visits, ended in visits[ended.0] = ended.1 }
        }
        return try Answer(results: targets.indices.compactMap { visits[$0] }, since: start).response
    }

    private func targets(of request: Request) throws(HTTPError) -> [FetchRequest] {
        let urls = try request.query.values("url", as: String.self, count: Self.urlCount)
        return try urls.map { url throws(HTTPError) in try client.request(for: url) }
    }
}

/// The response: the visits in the order of the URLs, and the total time.
private struct Answer: Encodable {
    let results: [Visit]
    let milliseconds: Double

    init(results: [Visit], since start: ContinuousClock.Instant) {
        self.results = results
        milliseconds = start.millisecondsAgo
    }

    var response: Response { get throws { try Response(json: self) } }
}

/// One fetch of a fan-out, and its result. A fetch that fails is a result like any other.
private struct Visit: Encodable, Sendable {
    let url: String
    private(set) var status: Int?
    private(set) var bytes = 0
    private(set) var milliseconds = 0.0
    private(set) var error: String?

    /// Fetches and measures; parks the green thread.
    init(of target: FetchRequest, by client: FetchClient) throws {
        url = target.url
        let start = ContinuousClock.now
        do {
            let upstream = try client.stream(target)
            defer { upstream.close() }
            status = upstream.status.code
            while let piece = try upstream.read() { bytes += piece.count }
        } catch let error as FetchError {
            self.error = error.message
        }
        milliseconds = start.millisecondsAgo
    }

    /// Fetches and measures.
    init(of target: FetchRequest, by client: FetchClient) async throws {
        url = target.url
        let start = ContinuousClock.now
        do {
            let upstream = try await client.stream(target)
            defer { upstream.close() }
            status = upstream.status.code
            while let piece = try await upstream.read() { bytes += piece.count }
        } catch let error as FetchError {
            self.error = error.message
        }
        milliseconds = start.millisecondsAgo
    }

    private enum CodingKeys: CodingKey { case url, status, bytes, milliseconds, error }

    func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(url, forKey: .url)
        // Null until the upstream has answered.
        try object.encode(status, forKey: .status)
        try object.encode(bytes, forKey: .bytes)
        try object.encode(milliseconds, forKey: .milliseconds)
        try object.encodeIfPresent(error, forKey: .error)
    }
}

extension ContinuousClock.Instant {
    /// The time since then in milliseconds, to the microsecond.
    fileprivate var millisecondsAgo: Double { ((ContinuousClock.now - self) / .microseconds(1)).rounded() / 1_000 }
}
