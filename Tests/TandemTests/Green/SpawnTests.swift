internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct SpawnTests {
    @Test func `a closure that awaits becomes a task, any other a green thread, both on the caller's hub`() async throws {
        try await onHub {
            let hub = Hub.current
            let task = spawn {
                try await sleep(for: .zero)
                return (Hub.current === hub, GreenThreadIdentity.current == nil)
            }
            let thread = spawn {
                try sleep(for: .zero)
                return (Hub.current === hub, GreenThreadIdentity.current != nil)
            }
            #expect(type(of: task) == Task<(Bool, Bool), any Error>.self)
            #expect(type(of: thread) == GreenThread<(Bool, Bool)>.self)
            let outcomes = (try await task.value, try await thread.wait())
            #expect(outcomes.0 == (true, true))
            #expect(outcomes.1 == (true, true))
        }
    }

    @Test func `spawn works in the same way from blocking code`() async throws {
        try await onHub {
            try await blocking {
                let (task, thread) = (spawn { try await fortyTwo() }, spawn { try blockingFortyTwo() })
                let numbers = (try thread.wait(), try awaiting { try await task.value })
                #expect(numbers == (42, 42))
            }
        }
    }

    @Test func `each nested closure has its own style`() async throws {
        try await onHub {
            let outer = spawn {
                let inner = spawn { try await fortyTwo() }
                return try awaiting { try await inner.value } + (GreenThreadIdentity.current == nil ? 0 : 1)
            }
            let outerValue = try await outer.wait()
            #expect(outerValue == 43)
            let other = spawn {
                let inner = spawn { try blockingFortyTwo() }
                return try await inner.wait() + (GreenThreadIdentity.current == nil ? 1 : 0)
            }
            let otherValue = try await other.value
            #expect(otherValue == 43)
        }
    }

    @Test func `a named function keeps its declared style, and so does a closure marked async`() async throws {
        try await onHub {
            let (task, thread, marked) = (spawn(fortyTwo), spawn(blockingFortyTwo), spawn { () async in 42 })
            let numbers = [try await task.value, try await thread.wait(), try await marked.value]
            #expect(numbers == [42, 42, 42])
        }
    }

    @Test func `both forms take the caller's task-locals, a name and a delay`() async throws {
        try await onHub {
            let due = Deadline.after(.milliseconds(5))
            let (task, thread) = Local.$level.withValue(7) {
                (
                    spawn(name: "async one", after: .milliseconds(5)) {
                        await Task.yield()
                        return (Local.level, Deadline.after(.zero) >= due)
                    },
                    spawn(name: "blocking one", after: .milliseconds(5)) { (Local.level, Deadline.after(.zero) >= due) }
                )
            }
            try await sleep(for: .zero)
            #expect(Hub.current!.tasks.names.sorted() == ["async one", "blocking one"])
            #expect(Hub.current!.greenThreadCount == 0)
            let outcomes = (try await task.value, try await thread.wait())
            #expect(outcomes.0 == (7, true))
            #expect(outcomes.1 == (7, true))
        }
    }

    @Test func `a caller outside any hub gets a hub of the shared group`() async throws {
        try await onThread {
            #expect(Hub.current == nil)
            let thread = spawn { Hub.current! }
            let task = spawn { () async in Hub.current! }
            let hubs = [try thread.wait(), try awaiting { try await task.value }]
            #expect(hubs.allSatisfy { hub in HubGroup.shared.hubs.contains { $0 === hub } })
        }
    }

    @Test func `a stopping hub cancels both forms`() async throws {
        let ended = Counter()
        try await onThread {
            try Hub.run {
                spawn {
                    defer { ended.add() }
                    try await sleep(for: forever)
                }
                spawn {
                    defer { ended.add() }
                    try sleep(for: forever)
                }
                try await sleep(for: .zero)
            }
        }
        #expect(ended.value == 2)
    }

    @Test func `neither form runs when it is cancelled before its first step`() async throws {
        try await onHub {
            let ran = Counter()
            let task = spawn { () async in ran.add() }
            let thread = spawn { ran.add() }
            task.cancel()
            thread.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            #expect(ran.value == 0)
        }
    }
}

@Sendable private func fortyTwo() async throws -> Int {
    try await sleep(for: .zero)
    return 42
}

@Sendable private func blockingFortyTwo() throws -> Int {
    try sleep(for: .zero)
    return 42
}
