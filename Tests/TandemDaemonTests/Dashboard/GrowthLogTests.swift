import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct GrowthLogTests {
    private let start = ContinuousClock.now

    @Test func `a loss is told for a minute, with the seconds since`() {
        let log = GrowthLog()
        // The first look does not tell when these were lost.
        #expect(log.note([.connections: 3, .spans: 0], now: start).isEmpty)
        let grown = log.note([.connections: 5, .spans: 0], now: start + .seconds(2))
        #expect(grown.keys.map(\.rawValue) == ["connections"] && grown[.connections]?.total == 5)
        for seconds in [12, 61] {
            #expect(log.note([.connections: 5], now: start + .seconds(seconds))[.connections]?.secondsAgo == seconds - 2)
        }
        #expect(log.note([.connections: 5], now: start + .seconds(62)).isEmpty)
    }

    @Test func `a loss while nobody looked is not told as new`() {
        let log = GrowthLog()
        _ = log.note([.logLines: 0], now: start)
        #expect(log.note([.logLines: 9], now: start + .seconds(3_600)).isEmpty)
        #expect(log.note([.logLines: 10], now: start + .seconds(3_601))[.logLines]?.total == 10)
    }

    @Test func `a route with requests and no answer is hung after a while, until it answers`() {
        let log = ProgressLog()
        func hung(_ answered: Int, _ active: Int, _ seconds: Int) -> [ProgressLog.Hung] {
            log.hung([.init(route: "GET /a", answered: answered, active: active)], now: start + .seconds(seconds))
        }
        #expect(hung(7, 0, 0).isEmpty && hung(7, 3, 20).isEmpty && hung(7, 3, 34).isEmpty)
        let found = hung(7, 4, 36)
        #expect(found.count == 1 && found[0].route == "GET /a" && found[0].active == 4)
        #expect(found[0].seconds == 16 && found[0].hasAnswered)
        #expect(hung(8, 3, 37).isEmpty && hung(8, 3, 40).isEmpty && hung(8, 3, 60).count == 1 && hung(8, 0, 61).isEmpty)
        // One that has never answered may be of endless streams.
        #expect(log.hung([.init(route: "GET /b", answered: 0, active: 1)], now: start).isEmpty)
        #expect(log.hung([.init(route: "GET /b", answered: 0, active: 1)], now: start + .seconds(20)).first?.hasAnswered == false)
    }
}
