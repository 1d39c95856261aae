import Logging
import Tandem
import TandemTesting
import Testing

@testable import TandemHTTP

struct MigrationGuardTests {
    private let limits = MigrationGuard.Limits(points: 1, minimum: 200)
    private let second: UInt64 = 1_000_000_000

    /// Counts requests of one handler, the last of which fail. Returns whether the guard tripped.
    private func count(_ guarding: MigrationGuard, isNew: Bool, _ requests: Int, errors: Int, at now: UInt64 = 0) -> Bool {
        for _ in 0..<requests - errors { guarding.requestBegins(isNew: isNew) }
        return (0..<errors).map { _ in
            guarding.requestBegins(isNew: isNew)
            return guarding.requestFailed(isNew: isNew, now: now, limits)
        }.contains(true)
    }

    @Test
    func `it trips once when the new handler errs more, and stays`() {
        let guarding = MigrationGuard()
        // The first error begins the window.
        #expect(!count(guarding, isNew: false, 1, errors: 1))
        #expect(!count(guarding, isNew: false, 299, errors: 2))
        #expect(!count(guarding, isNew: true, 100, errors: 5))
        #expect(!guarding.isLatched, "one error of the old handler is expected too, so these are four more")
        #expect(count(guarding, isNew: true, 10, errors: 2))
        #expect(guarding.isLatched)
        #expect(!count(guarding, isNew: true, 100, errors: 100), "it trips once")
        #expect(guarding.tripCount == 1)
        guarding.reset()
        #expect(!guarding.isLatched)
        #expect(count(guarding, isNew: true, 300, errors: 300))
        #expect(guarding.tripCount == 2)
    }

    @Test
    func `after a reset the old handler's earlier rate is the measure, and errors of earlier requests do not count`() {
        let guarding = MigrationGuard()
        #expect(!count(guarding, isNew: false, 1_000, errors: 20))
        guarding.reset()
        #expect(!count(guarding, isNew: true, 300, errors: 6, at: 100 * second), "as often as the old one")
        #expect(count(guarding, isNew: true, 300, errors: 30, at: 101 * second))
        guarding.reset()
        #expect(!count(guarding, isNew: false, 300, errors: 0, at: 200 * second))
        for _ in 0..<20 { #expect(!guarding.requestFailed(isNew: true, now: 200 * second, limits)) }
    }

    @Test
    func `it needs enough requests in one window`() {
        let guarding = MigrationGuard()
        #expect(!count(guarding, isNew: true, 199, errors: 199, at: 100 * second))
        #expect(!count(guarding, isNew: true, 150, errors: 150, at: 160 * second), "another window")
        #expect(count(guarding, isNew: true, 60, errors: 60, at: 161 * second))
    }

    @Test
    func `an outage of both handlers does not trip it`() {
        let guarding = MigrationGuard()
        #expect(!count(guarding, isNew: false, 1000, errors: 0))
        for now in 70..<80 {
            #expect(!count(guarding, isNew: false, 50, errors: 25, at: UInt64(now) * second))
            #expect(!count(guarding, isNew: true, 50, errors: 25, at: UInt64(now) * second))
        }
        #expect(!guarding.isLatched)
    }

    @Test
    func `without requests of the old handler in a window its earlier ones count`() {
        let guarding = MigrationGuard()
        #expect(!count(guarding, isNew: false, 1000, errors: 100))
        #expect(!count(guarding, isNew: true, 1, errors: 1, at: 70 * second))
        #expect(!count(guarding, isNew: true, 300, errors: 32, at: 70 * second))
        #expect(count(guarding, isNew: true, 20, errors: 20, at: 71 * second))
    }
}

extension ServerTests {
    struct MigrationRollbackTests {
        struct Broken: Error {}

        @Test(arguments: StylePair.allCases)
        func `a route falls back, stays there, and is released when its item changes`(styles: StylePair) async throws {
            try await withServer(routes: { router in
                router.migrate("/", styles: styles, new: { _ in throw Broken() }, .new)
                router.migrate("/other", styles: styles, .new)
            }) { live in
                let client = try live.connect()
                func statuses(_ count: Int) throws -> [Int] {
                    try (0..<count).map { _ in
                        try client.send(.get, "/")
                        return try client.receiveResponse().status.code
                    }
                }
                #expect(try statuses(200) == Array(repeating: 500, count: 200))
                #expect(try statuses(50) == Array(repeating: 200, count: 50), "the guard has tripped")
                var report = try live.migration("/")
                #expect(report.isRolledBack)
                #expect(report.rollbacks == 1)
                #expect(report.requests == [.new: [.share: 200], .old: [.guard: 50]])
                let lines = live.log.lines.filter { $0.message.hasPrefix("migration rolled back") }
                #expect(lines.count == 1)
                #expect(lines.first?.level == .error)
                #expect(lines.first?.metadata["http.route"] == "/")
                #expect(try live.texts("/other") == ["new"], "other routes stay where they are")
                // A reload of something else does not release it.
                try live.migrate { $0.shadowMaxInFlight = 3 }
                #expect(try statuses(5) == [200, 200, 200, 200, 200])
                try live.migrate { $0.routes = [RouteMigration(.get, "/", .percent(100))] }
                #expect(try statuses(3) == [500, 500, 500])
                report = try live.migration("/")
                #expect(!report.isRolledBack)
                #expect(report.rollbacks == 1)
            }
        }

        @Test
        func `zero points turn the guard off`() async throws {
            try await withServer(
                { $0.migrations.guardErrorPoints = 0 },
                routes: {
                    $0.migrate("/", new: { _ in throw HTTPError(.badGateway, "broken") }, .new)
                }
            ) { live in
                let texts = try live.texts("/", 300)
                #expect(texts.allSatisfy { $0 == "broken\n" })
            }
        }

        @Test
        func `errors of requests that the override field sends to the new handler do not count`() async throws {
            let field = HTTPField.Name("Tandem-Migrate")!
            try await withServer(
                { $0.migrations.overrideField = field },
                routes: {
                    $0.migrate("/", new: { _ in throw HTTPError(.badGateway, "broken") }, .percent(0.001, by: .cookie("s")))
                }
            ) { live in
                let texts = try live.texts("/", 300, headers: [field: "new"])
                #expect(texts.allSatisfy { $0 == "broken\n" })
                #expect(try !live.migration().isRolledBack)
            }
        }

        @Test
        func `errors of clients do not count`() async throws {
            try await withServer(
                { $0.migrations.guardMinRequests = 10 },
                routes: {
                    $0.migrate("/", new: { _ in throw HTTPError(.notFound, "no") }, .new)
                }
            ) { live in
                _ = try live.texts("/", 50)
                #expect(try !live.migration().isRolledBack)
            }
        }
    }
}
