import Tandem
import TandemHTTP
import TandemTesting
import Testing

/// The four combinations of styles of a migrating route's handlers.
struct StylePair: Sendable, CaseIterable, CustomStringConvertible {
    let old: Style, new: Style
    var description: String { "\(old) to \(new)" }
    static let allCases = Style.allCases.flatMap { old in Style.allCases.map { StylePair(old: old, new: $0) } }
}

extension RouteGroup {
    /// Adds a migrating route whose handlers do not wait, in these styles.
    func migrate(
        _ path: String, styles: StylePair = StylePair(old: .blocking, new: .async), method: HTTPRequest.Method = .get,
        old: @escaping @Sendable (Request) throws -> Response = { _ in Response(text: "old") },
        new: @escaping @Sendable (Request) throws -> Response = { _ in Response(text: "new") },
        _ migration: Migration = .old, comparing comparison: AnswerComparison = .exact, unsafe: UnsafeShadow? = nil
    ) {
        switch (styles.old, styles.new) {
        case (.blocking, .blocking):
            migrate(method, path, from: old, to: new, migration, comparing: comparison, unsafe: unsafe)
        case (.blocking, .async):
            let new: RouteGroup.AsyncHandler = { request in try new(request) }
            migrate(method, path, from: old, to: new, migration, comparing: comparison, unsafe: unsafe)
        case (.async, .blocking):
            let old: RouteGroup.AsyncHandler = { request in try old(request) }
            migrate(method, path, from: old, to: new, migration, comparing: comparison, unsafe: unsafe)
        case (.async, .async):
            let (old, new): (RouteGroup.AsyncHandler, RouteGroup.AsyncHandler) = ({ try old($0) }, { try new($0) })
            migrate(method, path, from: old, to: new, migration, comparing: comparison, unsafe: unsafe)
        }
    }
}

extension Live {
    /// Returns the report on the only migrating route, or on the one with this path.
    func migration(_ path: String? = nil) throws -> MigrationReport.Route {
        let report = try blockThread { [server] in await server.migrationReport(within: .seconds(10)) }
        #expect(report.hubsWithoutAnswer == 0)
        return try #require(report.routes.first { path == nil || $0.path == path })
    }

    /// Sends GET until at least `count` candidates have been compared. A busy machine may skip some. Returns the report.
    func compare(_ count: UInt64, _ target: String = "/") throws -> MigrationReport.Route {
        let client = try connect()
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            let report = try migration(target)
            if report.compared(.candidate) >= count { return report }
            for _ in 0..<20 {
                try client.send(.get, target)
                _ = try client.receiveResponse()
            }
        }
        return try migration(target)
    }

    /// Sends GET this many times on one connection, and returns the answers' texts.
    func texts(_ target: String, _ count: Int = 1, headers: HTTPFields = [:]) throws -> [String] {
        let client = try connect()
        defer { try? client.close() }
        return try (0..<count).map { _ in
            try client.send(.get, target, headers: headers)
            return try client.receiveResponse().text
        }
    }

    /// Reloads changed migrations, and waits until every hub uses them.
    func migrate(_ change: (inout MigrationConfiguration) -> Void) throws {
        var configuration = server.configuration
        change(&configuration.migrations)
        try server.reload(configuration)
        _ = try connectionCount()
    }

    /// Waits until no sampled request is in flight.
    func shadowsEnded() throws -> Bool {
        try eventually { try blockThread { [server] in await server.migrationReport() }.inFlight == 0 }
    }
}
