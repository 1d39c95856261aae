// Measures many green threads and tasks: all parked at once, and spawned one after the other. scripts/measure/scale runs each
// part in a process of its own, so that no part reuses the memory of another.
import Measuring
import Tandem

func row(_ what: String, _ value: String, must: Double? = nil, ratio: Double? = nil) {
    let limit = must.map { text($0) } ?? ""
    print("| \(what) | \(value) | \(limit) | \(ratio.map { text($0, digits: 2) } ?? "") |")
}

/// Parks `count` of them on one event, then wakes all.
func park(_ count: Int, _ what: String, must: Double, spawn: (Event<Void>) -> Void) async throws {
    let hub = Hub.current!
    let gate = Event<Void>()
    // The first one allocates what exists only once.
    spawn(gate)
    while gate.waiting < 1 { try await sleep(for: .zero) }
    let before = residentBytes()
    var start = nanoseconds()
    for _ in 1..<count { spawn(gate) }
    while gate.waiting < count { try await sleep(for: .zero) }
    let parking = nanoseconds() - start
    let bytes = Double(residentBytes() - before) / Double(count - 1)
    row("\(what), resident bytes per one", text(bytes), must: must, ratio: bytes / must)
    row("\(what), ns to start and park one", text(parking / Double(count)))
    start = nanoseconds()
    gate.send(())
    while hub.statistics.tasks > 0 { try await sleep(for: .zero) }
    row("\(what), ns to wake and end one", text((nanoseconds() - start) / Double(count)))
}

/// Spawns `count` green threads per hub of a group, on all hubs at once. Returns the nanoseconds that it took.
func work(_ count: Int, hubs: Int) async throws -> Double {
    let group = try HubGroup(count: hubs)
    let all = group.hubs
    let start = nanoseconds()
    for task in all.map({ hub in hub.spawn { for number in 0..<count { _ = try await GreenThread { number }.wait() } } }) {
        try await task.value
    }
    let took = nanoseconds() - start
    await group.shutdown()
    return took
}

/// Wakes tasks of two hubs in turn. Returns the nanoseconds per wake-up of the other hub.
func wakeEachOther(_ count: Int) async throws -> Double {
    let group = try HubGroup(count: 2)
    let (ping, pong) = (Semaphore(0), Semaphore(0))
    let start = nanoseconds()
    let other = group.hubs[1].spawn {
        for _ in 0..<count / 2 {
            try await ping.acquire()
            pong.release()
        }
    }
    try await group.hubs[0].spawn {
        for _ in 0..<count / 2 {
            ping.release()
            try await pong.acquire()
        }
    }.value
    try await other.value
    let took = nanoseconds() - start
    await group.shutdown()
    return took / Double(count)
}

/// Arms `count` timers with deadlines in no order, moves each deadline, and disarms all.
func arm(_ count: Int) {
    let hub = Hub.current!
    var seed: UInt64 = 1
    func deadline() -> Deadline {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return .after(.nanoseconds(60_000_000_000 + Int64(seed >> 30)))
    }
    let timers = (0..<count).map { _ in HubTimer(on: hub) {} }
    func measure(_ what: String, _ body: (HubTimer) -> Void) {
        let start = nanoseconds()
        for timer in timers { body(timer) }
        row("\(count) timers armed on one hub, ns to \(what) one", text((nanoseconds() - start) / Double(count)))
    }
    measure("arm") { $0.arm(deadline()) }
    measure("move") { $0.arm(deadline()) }
    measure("disarm") { $0.disarm() }
}

guard CommandLine.arguments.count == 3, let count = Int(CommandLine.arguments[2]), count > 1 else {
    fatalError("usage: Scale green|async|spawn|timers|hubs COUNT")
}
var configuration = HubConfiguration()
configuration.stackSize = 16 * 1024
switch CommandLine.arguments[1] {
case "green":
    try Hub.run(configuration) {
        try await park(count, "\(count) parked green threads", must: 6_500) { gate in GreenThread { try gate.wait() } }
    }
case "async":
    try Hub.run(configuration) {
        let hub = Hub.current!
        try await park(count, "\(count) parked async tasks", must: 2_500) { gate in hub.spawn { try await gate.wait() } }
    }
case "timers": try Hub.run(configuration) { arm(count) }
case "hubs":
    try Hub.run {
        _ = try await work(count / 10, hubs: 1)
        var (one, two, wakes): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<10 {
            one.append(try await work(count, hubs: 1))
            two.append(try await work(count, hubs: 2))
            wakes.append(try await wakeEachOther(count))
        }
        let ratio = 2 * Samples(one).least / Samples(two).least
        row(
            "work done by two hubs in the time of one hub, lowest of ten rounds", text(ratio, digits: 2), must: 1.9,
            ratio: ratio / 1.9)
        row("a task wakes a task of another hub, ns", text(Samples(wakes).least))
    }
default:
    try Hub.run(configuration) {
        for number in 0..<10_000 { _ = try await GreenThread { number }.wait() }
        let before = residentBytes()
        let start = nanoseconds()
        for number in 0..<count { _ = try await GreenThread { number }.wait() }
        let took = nanoseconds() - start
        row("\(count) green threads, spawned and waited for one after the other, ns per one", text(took / Double(count)))
        row("the same, per second", text(Double(count) / took * 1e9))
        row("the same, growth of resident bytes", "\(residentBytes() - before)")
    }
}
