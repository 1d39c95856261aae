internal import Tandem
internal import TandemHTTP
internal import TandemJSON

/// `bridge` calls a function of the other style, which waits once. `bridge?depth=N` calls through N levels whose styles alternate;
/// each level reads a task-local value that the level above has bound, on the other side of a bridge.
struct Bridge {
    func addRoutes(to router: Router) {
        router.get("/blocking/bridge") { request in
            guard let depth = try Self.depth(request) else {
                return Response(text: try awaiting { try await Self.waitOnce() })
            }
            return try Level.$bound.withValue("level-1") {
                try Response(json: ["levels": Self.levels(1, of: depth)])
            }
        }
        router.get("/async/bridge") { request in
            guard let depth = try Self.depth(request) else {
                return Response(text: try await blocking { try Self.waitOnce() })
            }
            return try await Level.$bound.withValue("level-1") {
                try await Response(json: ["levels": Self.levels(1, of: depth)])
            }
        }
    }

    /// The function that the async style calls.
    private static func waitOnce() throws -> String {
        try sleep(for: .zero)
        return "blocking code waited once, and async code called it"
    }

    /// The function that the blocking style calls.
    private static func waitOnce() async throws -> String {
        try await sleep(for: .zero)
        return "async code waited once, and blocking code called it"
    }

    /// Returns the levels `level` to `depth`, this one in blocking style, the next in async style.
    private static func levels(_ level: Int, of depth: Int) throws -> [Level] {
        guard level <= depth else { return [] }
        let this = Level(style: "blocking")
        let deeper = try Level.$bound.withValue("level-\(level + 1)") {
            try awaiting { try await levels(level + 1, of: depth) }
        }
        return [this] + deeper
    }

    /// Returns the levels `level` to `depth`, this one in async style, the next in blocking style.
    private static func levels(_ level: Int, of depth: Int) async throws -> [Level] {
        guard level <= depth else { return [] }
        let this = Level(style: "async")
        let deeper = try await Level.$bound.withValue("level-\(level + 1)") {
            try await blocking { try levels(level + 1, of: depth) }
        }
        return [this] + deeper
    }

    /// Returns the number of levels, or nil for the plain bridge.
    private static func depth(_ request: Request) throws(HTTPError) -> Int? {
        try request.query.valueIfPresent("depth", in: 0...1_000)
    }

    /// One level: its style, and the task-local value that it read.
    private struct Level: Encodable, Sendable {
        @TaskLocal static var bound = "unbound"

        let style: String
        let taskLocal: String

        init(style: String) {
            self.style = style
            taskLocal = Self.bound
        }
    }
}
