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

guard CommandLine.arguments.count == 3, let count = Int(CommandLine.arguments[2]), count > 1 else {
    fatalError("usage: Scale green|async|spawn COUNT")
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
