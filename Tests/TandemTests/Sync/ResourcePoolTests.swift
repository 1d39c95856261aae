internal import Synchronization
internal import Testing

@testable import Tandem

/// A connection pool as an application builds it: a semaphore limits the number, and a queue holds the idle ones.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ResourcePoolTests {
    private final class Connections: Sendable {
        let slots: Semaphore
        let idle = Queue<Int>(order: .lifo)
        let made = Counter()
        let failures: Atomic<Int>

        init(limit: Int, failures: Int = 0) {
            slots = Semaphore(limit, limit: limit)
            self.failures = Atomic(failures)
        }

        /// Takes a while, and fails as often as requested.
        func make() throws -> Int {
            try Tandem.sleep(for: .zero)
            guard failures.wrappingSubtract(1, ordering: .relaxed).oldValue <= 0 else { throw Failure() }
            made.add()
            return made.value
        }

        @available(*, noasync)
        func use<Success>(
            file: StaticString = #fileID, line: UInt = #line, _ body: (Int) throws -> Success
        ) throws -> Success {
            try slots.withPermit(file: file, line: line) {
                let connection = try idle.tryGet() ?? make()
                defer { _ = try? idle.tryPut(connection) }
                return try body(connection)
            }
        }

        func use<Success>(_ body: (Int) async throws -> Success) async throws -> Success {
            try await slots.withPermit {
                let connection: Int
                if let kept = try idle.tryGet() { connection = kept } else { connection = try await blocking { try make() } }
                defer { _ = try? idle.tryPut(connection) }
                return try await body(connection)
            }
        }
    }

    @Test func `connections are made on demand up to the limit, and the one used last is used next`() async throws {
        try await onHub {
            let connections = Connections(limit: 3)
            let (busy, most) = (Counter(), Recorder<Int>())
            try await withThrowingTaskGroup { group in
                for number in 0..<60 {
                    group.addTask {
                        try await Caller.allCases[number % 3].call(
                            {
                                try await connections.use { _ in
                                    busy.add()
                                    most.add(busy.value)
                                    try await sleep(for: .zero)
                                    busy.add(-1)
                                }
                            },
                            blocking: {
                                try connections.use { _ in
                                    busy.add()
                                    most.add(busy.value)
                                    try sleep(for: .zero)
                                    busy.add(-1)
                                }
                            })
                    }
                }
                try await group.waitForAll()
            }
            #expect(most.count == 60)
            #expect(most.all.allSatisfy { $0 <= 3 })
            #expect(connections.made.value <= 3)
            #expect(connections.slots.available == 3)
            let last = try await connections.use { $0 }
            #expect(try await connections.use { $0 } == last)
        }
    }

    @Test func `a connection that cannot be made gives its slot to a waiting caller`() async throws {
        try await onHub {
            let connections = Connections(limit: 1, failures: 2)
            let callers = (0..<3).map { _ in Hub.current!.spawn { try await blocking { try connections.use { $0 } } } }
            for caller in callers[..<2] { await #expect(throws: Failure()) { _ = try await caller.value } }
            let third = try await callers[2].value
            #expect(third == 1)
            #expect(connections.slots.available == 1)
        }
    }
}
