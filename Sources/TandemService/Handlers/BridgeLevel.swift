internal import TandemHTTP

/// One level of `bridge?depth=N`: which style it is written in, and what it read from the task-local that the level above bound.
struct BridgeLevel: Sendable, Equatable {
    let style: Style
    let taskLocal: String

    /// Bound for each level by the one above it, on the other side of a bridge.
    @TaskLocal static var bound = "unbound"

    /// What is bound for a level, the first being 1.
    static func name(_ level: Int) -> String { "level-\(level)" }

    /// The level that runs now.
    init(_ style: Style) {
        self.style = style
        taskLocal = Self.bound
    }

    /// How many levels a request asks for, or nil when it asks for the plain bridge.
    static func depth(_ request: Request) throws(HTTPError) -> Int? {
        let parameters = try Parameters(request)
        return parameters.has("depth") ? try parameters.number("depth", in: 0...1_000) : nil
    }

    /// The answer.
    static func answer(_ levels: [BridgeLevel]) -> Response {
        Response(["levels": .array(levels.map { ["style": .string($0.style.rawValue), "taskLocal": .string($0.taskLocal)] })])
    }
}
