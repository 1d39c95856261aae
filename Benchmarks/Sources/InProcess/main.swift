// What the bridges and the switch cost inside one process, in nanoseconds, on one hub. Run by scripts/bench.
import CTandem
import Tandem

/// Median of several rounds of `body`, each of `count` operations, in nanoseconds an operation.
func measure(_ name: String, count: Int = 200_000, _ body: (Int) async throws -> Void) async rethrows {
    try await body(count / 10)
    var rounds: [Double] = []
    for _ in 0..<7 {
        let start = tandem_monotonic_nanoseconds()
        try await body(count)
        rounds.append(Double(tandem_monotonic_nanoseconds() - start) / Double(count))
    }
    rounds.sort()
    print("| \(name) | \(rounds[3].rounded()) | \(rounds[0].rounded()) | \(rounds[6].rounded()) |")
}

@inline(never)
func doesNotSuspend(_ value: Int) async -> Int { value + 1 }

@concurrent
func concurrentCallee(_ value: Int) async -> Int { value + 1 }

/// A fiber that does nothing but hand the thread back.
func rawSwitch(_ count: Int) {
    var pool = tandem_stack_pool()
    tandem_stack_pool_init(&pool, 64 * 1024) { fiber in
        while true { tandem_fiber_suspend(fiber, .parked) }
    }
    let fiber = tandem_stack_take(&pool)!
    for _ in 0..<count { _ = tandem_fiber_resume(fiber) }
    tandem_stack_give_back(&pool, fiber)
    tandem_stack_pool_destroy(&pool)
}

try Hub.run {
    print("| in process, one hub | median ns | min | max |\n| --- | --- | --- | --- |")
    await measure("stack switch in and out, bracketed", count: 2_000_000) { rawSwitch($0) }
    await measure("Task.yield") { for _ in 0..<$0 { await Task.yield() } }
    await measure("async to blocking, body does not wait") { count in
        for index in 0..<count { _ = await blocking { index } }
    }
    try await measure("blocking to async, callee does not suspend") { count in
        try await blocking {
            var value = 0
            for _ in 0..<count { value = try awaiting { await doesNotSuspend(value) } }
        }
    }
    try await measure("blocking to async, @concurrent callee that does not suspend") { count in
        try await blocking {
            var value = 0
            for _ in 0..<count { value = try awaiting { await concurrentCallee(value) } }
        }
    }
    try await measure("blocking to async, callee yields once") { count in
        try await blocking {
            for _ in 0..<count { try awaiting { await Task.yield() } }
        }
    }
    try await measure("async to blocking, body waits once") { count in
        for _ in 0..<count { try await blocking { try sleep(for: .zero) } }
    }
    try await measure("park and unpark: two green threads take turns (each switch)") { count in
        let other = GreenThread { for _ in 0..<count / 2 { try sleep(for: .zero) } }
        try await blocking { for _ in 0..<count / 2 { try sleep(for: .zero) } }
        try await other.wait()
    }
    try await measure("spawn a green thread and wait for it", count: 50_000) { count in
        for index in 0..<count { _ = try await GreenThread { index }.wait() }
    }
}
