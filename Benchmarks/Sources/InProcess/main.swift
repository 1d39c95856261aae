// Measures the bridges and the stack switch in one process, in CPU nanoseconds, on one hub. scripts/measure/bench runs it, and
// passes the times of Boost.Context's switch from the same run.
import CTandem
import Measuring
import Tandem

/// What a row is compared with: a figure that it must meet, or another row of the same run.
enum Limit {
    case none
    case must(Double)
    case row(String, Double)
}

func row(_ name: String, _ rounds: [Double], _ limit: Limit = .none) {
    let all = Samples(rounds)
    var (shown, ratio) = ("", "")
    switch limit {
    case .none: break
    case .must(let nanoseconds): (shown, ratio) = ("must \(text(nanoseconds))", text(all.median / nanoseconds, digits: 2))
    case .row(let name, let nanoseconds): (shown, ratio) = (name, text(all.median / nanoseconds, digits: 2))
    }
    let digits = all.median < 30 ? 1 : 0
    func ns(_ value: Double) -> String { text(value, digits: digits) }
    print("| \(name) | \(ns(all.median)) | \(ns(all.least)) | \(ns(all.most)) | \(shown) | \(ratio) |")
}

/// Runs several rounds of `count` operations, prints their nanoseconds per operation, and returns the median.
@discardableResult
func measure(
    _ name: String, _ limit: Limit = .none, count: Int = 200_000, _ body: (Int) async throws -> Void
) async rethrows -> Double {
    try await body(count / 10)
    var rounds: [Double] = []
    for _ in 0..<10 {
        let start = cpuNanoseconds()
        try await body(count)
        rounds.append((cpuNanoseconds() - start) / Double(count))
    }
    row(name, rounds, limit)
    return Samples(rounds).median
}

@inline(never)
func doesNotSuspend(_ value: Int) async -> Int { value + 1 }

@concurrent
func concurrentCallee(_ value: Int) async -> Int { value + 1 }

/// Calls `body` with a fiber that runs `entry`.
func withFiber(
    _ entry: @convention(c) (UnsafeMutablePointer<tandem_fiber>) -> Void, _ body: (UnsafeMutablePointer<tandem_fiber>) -> Void
) {
    var pool = tandem_stack_pool()
    tandem_stack_pool_init(&pool, 64 * 1024, entry)
    let fiber = tandem_stack_take(&pool)!
    body(fiber)
    tandem_stack_give_back(&pool, fiber)
    tandem_stack_pool_destroy(&pool)
}

func bareSwitch(_ count: Int) {
    withFiber({ fiber in
        while true { tandem_context_switch(&fiber.pointee.sp, fiber.pointee.host_sp!) }
    }) { fiber in
        for _ in 0..<count { tandem_context_switch(&fiber.pointee.host_sp, fiber.pointee.sp!) }
    }
}

func bracketedSwitch(_ count: Int) {
    withFiber({ fiber in
        while true { tandem_fiber_suspend(fiber, .parked) }
    }) { fiber in
        for _ in 0..<count { _ = tandem_fiber_resume(fiber) }
    }
}

@concurrent
func yieldOnPool(_ count: Int) async { for _ in 0..<count { await Task.yield() } }

print("| in process, one hub | median ns | min | max | compared with | ratio |\n| --- | ---: | ---: | ---: | --- | ---: |")
let boost = CommandLine.arguments.dropFirst().compactMap { Double($0) }
let toBoost = boost.isEmpty ? Limit.none : .row("Boost.Context", Samples(boost).median)
if !boost.isEmpty { row("Boost.Context's switch, in and out", boost) }
let poolYield = await measure("Task.yield on Swift's own pool") { await yieldOnPool($0) }

try Hub.run {
    await measure("stack switch, in and out", toBoost, count: 2_000_000) { bareSwitch($0) }
    await measure("the same, bracketed for exclusivity checking", toBoost, count: 2_000_000) { bracketedSwitch($0) }
    let yield = await measure("Task.yield on the hub", .row("on Swift's pool", poolYield)) {
        for _ in 0..<$0 { await Task.yield() }
    }
    await measure("async to blocking, body does not wait", .must(150)) { count in
        for index in 0..<count { _ = await blocking { index } }
    }
    try await measure("blocking to async, callee does not suspend", .must(200)) { count in
        try await blocking {
            var value = 0
            for _ in 0..<count { value = try awaiting { await doesNotSuspend(value) } }
        }
    }
    try await measure("blocking to async, @concurrent callee that does not suspend", .must(300)) { count in
        try await blocking {
            var value = 0
            for _ in 0..<count { value = try awaiting { await concurrentCallee(value) } }
        }
    }
    try await measure("blocking to async, callee yields once", .must(500)) { count in
        try await blocking {
            for _ in 0..<count { try awaiting { await Task.yield() } }
        }
    }
    try await measure("async to blocking, body waits once", .must(500)) { count in
        for _ in 0..<count { try await blocking { try sleep(for: .zero) } }
    }
    let park = Limit.must(250)
    try await measure("park and unpark: two green threads take turns (each switch)", park) { count in
        let other = GreenThread { for _ in 0..<count / 2 { try sleep(for: .zero) } }
        try await blocking { for _ in 0..<count / 2 { try sleep(for: .zero) } }
        try await other.wait()
    }
    try await measure("the same, each by the other's Parker", park) { count in
        let (ping, pong) = (Loan(Parker()), Loan(Parker()))
        let other = GreenThread {
            for _ in 0..<count / 2 {
                try ping.value.park()
                pong.value.unpark()
            }
        }
        try await blocking {
            for _ in 0..<count / 2 {
                ping.value.unpark()
                try pong.value.park()
            }
        }
        try await other.wait()
    }
    try await measure("two async tasks take turns by Task.yield (each switch)", .row("alone", yield)) { count in
        let other = spawn { for _ in 0..<count / 2 { await Task.yield() } }
        for _ in 0..<count / 2 { await Task.yield() }
        try await other.value
    }
    try await measure("spawn a green thread and wait for it", .must(1_500), count: 50_000) { count in
        for index in 0..<count { _ = try await GreenThread { index }.wait() }
    }
    await measure("spawn a Task on the hub and wait for it", count: 50_000) { count in
        for index in 0..<count { _ = await Task(executorPreference: Hub.current!) { index }.value }
    }
    tandem_start_recording()
    await measure("a record of the flight recorder", .must(20), count: 2_000_000) { count in
        for number in 0..<count { tandem_record_mark_of_job(TANDEM_EVENT_FETCH, nil, UInt64(number)) }
    }
    tandem_stop_recording()
}

/// Passes a value that belongs to the hub's thread to a green thread of the same hub.
struct Loan<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
