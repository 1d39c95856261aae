// One operation of the core, many times on one hub, for counting its instructions under callgrind: scripts/measure/core.
//
// Usage: Costs OPERATION COUNT
import Glibc
import Tandem

@inline(never)
func doesNotSuspend(_ value: Int) async -> Int { value + 1 }

let operations: [(name: String, run: @Sendable (Int) async throws -> Void)] = [
    ("async to blocking, body does not wait", { count in for index in 0..<count { _ = await blocking { index } } }),
    (
        "async to blocking, body waits once",
        { count in for _ in 0..<count { try await blocking { try sleep(for: .zero) } } }
    ),
    (
        "blocking to async, callee does not suspend",
        { count in
            try await blocking {
                var value = 0
                for _ in 0..<count { value = try awaiting { await doesNotSuspend(value) } }
            }
        }
    ),
    (
        "blocking to async, callee yields once",
        { count in try await blocking { for _ in 0..<count { try awaiting { await Task.yield() } } } }
    ),
    (
        "park and unpark of a green thread",
        { count in
            let other = GreenThread { for _ in 0..<count / 2 { try sleep(for: .zero) } }
            try await blocking { for _ in 0..<count / 2 { try sleep(for: .zero) } }
            try await other.wait()
        }
    ),
    (
        "park and unpark of a task",
        { count in
            let (ping, pong) = (Semaphore(0), Semaphore(0))
            let other = spawn {
                for _ in 0..<count / 2 {
                    try await ping.acquire()
                    pong.release()
                }
            }
            for _ in 0..<count / 2 {
                ping.release()
                try await pong.acquire()
            }
            try await other.value
        }
    ),
    ("Task.yield on the hub", { count in for _ in 0..<count { await Task.yield() } }),
    ("spawn a green thread and wait for it", { count in for index in 0..<count { _ = try await spawn { index }.wait() } }),
    ("spawn a task and wait for it", { count in for index in 0..<count { _ = try await spawn { () async in index }.value } }),
]

guard CommandLine.arguments.count == 3, let count = Int(CommandLine.arguments[2]),
    let operation = operations.first(where: { $0.name == CommandLine.arguments[1] })
else {
    for operation in operations { print(operation.name) }
    exit(CommandLine.arguments.count == 1 ? 0 : 64)
}
try Hub.run { try await operation.run(count) }
