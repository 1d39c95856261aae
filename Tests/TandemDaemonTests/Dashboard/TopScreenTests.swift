import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct TopScreenTests {
    private func reading(
        seconds: Int, requests: Int, instance: String = "1", hubs: [DashboardState.Hub] = [], attention: [Attention] = [],
        routes: [RoutesState.Route] = []
    ) -> TopScreen.Reading {
        var counts = DashboardState.Requests()
        (counts.total, counts.serverErrors, counts.blocking, counts.async) = (
            requests, requests / 100, requests / 4, requests / 2
        )
        (counts.p50Microseconds, counts.p99Microseconds) = (900, 7_150)
        return TopScreen.Reading(
            state: DashboardState(
                time: 0, uptimeMicroseconds: seconds * 1_000_000, service: "shop", version: "1.2", pid: 7, instance: instance,
                phase: "serving", isReady: true, requests: counts, connections: .init(active: 3, accepted: 9, refused: 0),
                hubs: hubs,
                attention: attention),
            routes: RoutesState(windowSeconds: 60, routes: routes))
    }

    private func hub(busy: Int, delays: [UInt64]) -> DashboardState.Hub {
        var hub = DashboardState.Hub(hub: "shop-0", thread: 12, answers: true)
        (hub.busyMicroseconds, hub.delays, hub.ready, hub.greenThreads, hub.greenThreadsHighWater) = (busy, delays, 1, 5, 9)
        (hub.bridgesToAsync, hub.bridgesToBlocking) = (busy / 10_000, 0)
        return hub
    }

    private func lines(_ before: TopScreen.Reading, _ now: TopScreen.Reading, routes: Int = 20) -> [Substring] {
        TopScreen(before, now, routeLimit: routes).text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    @Test func `rates are of the time between the readings`() {
        var delays = [UInt64](repeating: 0, count: 40)
        delays[30] = 5  // before the first reading
        let before = reading(seconds: 100, requests: 1_000, hubs: [hub(busy: 500_000, delays: delays)])
        delays[14] = 100
        let now = reading(seconds: 102, requests: 3_000, hubs: [hub(busy: 1_300_000, delays: delays)])
        let text = lines(before, now)
        #expect(text[0] == "shop 1.2  serving  up 0 d 00:01:42  pid 7")
        #expect(
            text[2] == "requests/s 1000  p50 900 µs  p99 7.1 ms  5xx 1.0 %  active 0  blocking 33.3 %  connections 3",
            "\(text[2])")
        // 0.8 s of 2 s; turns of less than 2^14 ns; 80 calls in 2 s.
        #expect(
            text[5].split(separator: " ").map(String.init) == [
                "shop-0", "12", "40.0", "%", "16", "µs", "16", "µs", "1", "5", "(9)", "0", "0", "0", "40",
            ], "\(text[5])")
    }

    @Test func `after a restart there are no rates, and none is negative`() {
        let text = lines(reading(seconds: 900, requests: 5_000), reading(seconds: 3, requests: 10, instance: "2"))
        #expect(text[2].hasPrefix("requests/s -  p50"))
    }

    @Test func `a held hub and what wants attention are shown with the remedy`() {
        var held = DashboardState.Hub(hub: "shop-0", thread: 12, answers: false)
        (held.heldMicroseconds, held.holder) = (2_345_678, #"green thread 4 "GET /slow""#)
        let item = Attention(
            key: "stall", severity: .critical, title: "shop-0 is held", detail: "so far 2 s", remedy: "Do this.", count: 3,
            lastSecondsAgo: 4)
        let text = lines(reading(seconds: 1, requests: 0), reading(seconds: 2, requests: 0, hubs: [held], attention: [item]))
        #expect(text[1] == "! critical: shop-0 is held: so far 2 s, 3 times, last 4 s ago" && text[2] == "    Do this.")
        #expect(text.contains { $0.hasPrefix("shop-0") && $0.contains("held for 2345 ms") && $0.hasSuffix(#""GET /slow""#) })
    }

    @Test func `the busiest routes come first, up to a limit`() {
        func route(_ path: String, _ requests: Int) -> RoutesState.Route {
            var route = RoutesState.Route(method: "GET", path: path, style: "async", migration: nil)
            route.requests = requests
            return route
        }
        let before = reading(seconds: 1, requests: 0, routes: [route("/a", 100), route("/b", 0), route("/c", 0), route("/d", 5)])
        let now = reading(seconds: 2, requests: 0, routes: [route("/a", 110), route("/b", 30), route("/c", 20), route("/d", 5)])
        let text = lines(before, now, routes: 3).suffix(4)
        #expect(text.compactMap { $0.split(separator: " ").dropFirst().first } == ["/b", "/c", "/a"])
    }

    @Test func `control characters are replaced`() {
        let route = RoutesState.Route(method: "GET", path: "/\u{1b}[2J\u{9b}\u{7}", style: "async", migration: nil, requests: 1)
        let text = TopScreen(
            reading(seconds: 1, requests: 0), reading(seconds: 2, requests: 0, routes: [route]), routeLimit: 5
        ).text
        #expect(
            text.contains("/?[2J??") && !text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x9b || $0.value == 7 })
    }

    @Test(arguments: [Int.min, -1, 0, 1, .max])
    func `any number that another program may answer is shown`(number: Int) {
        func extreme(_ number: Int, seconds: Int) -> TopScreen.Reading {
            var counts = DashboardState.Requests()
            (counts.total, counts.serverErrors, counts.blocking, counts.async) = (number, number, number, number)
            (counts.p50Microseconds, counts.p99Microseconds, counts.active) = (number, number, number)
            var hub = DashboardState.Hub(hub: "shop-0", thread: number, answers: true)
            (hub.busyMicroseconds, hub.bridgesToAsync, hub.bridgesToBlocking) = (number, number, number)
            hub.delays = Array(repeating: UInt64(bitPattern: Int64(number)), count: 80)
            var held = DashboardState.Hub(hub: "shop-1", thread: 1, answers: false)
            held.heldMicroseconds = number
            let route = RoutesState.Route(
                method: "GET", path: "/", style: "async", migration: nil, requests: number, active: number, serverErrors: number,
                recent: number, p50Microseconds: number)
            return TopScreen.Reading(
                state: DashboardState(
                    time: number, uptimeMicroseconds: seconds, service: "shop", version: "1", pid: number, instance: "1",
                    phase: "serving", isReady: true, requests: counts,
                    connections: .init(active: number, accepted: number, refused: number), hubs: [hub, held], attention: []),
                routes: RoutesState(windowSeconds: number, routes: [route]))
        }
        for other in [Int.min, 0, .max] {
            for (first, second) in [(0, 1), (Int.min, Int.max), (Int.max, Int.min), (5, 5)] {
                let text = TopScreen(extreme(other, seconds: first), extreme(number, seconds: second), routeLimit: 5).text
                #expect(text.contains("shop-0"))
            }
        }
    }
}
