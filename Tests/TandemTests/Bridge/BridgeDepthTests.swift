internal import Testing

@testable import Tandem

/// A thousand nested bridges, and a hundred thousand in a row.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct BridgeDepthTests {
    private static let depth = Sanitizer.any ? 200 : 1_000

    /// The wait at the bottom, and the levels that have unwound, deepest first.
    private final class Probe: Sendable {
        let bottom = Event<Void>()
        let unwound = Recorder<Int>()
        let end: @Sendable () async throws -> Int
        init(_ end: @escaping @Sendable () async throws -> Int) { self.end = end }

        func asynchronous(_ level: Int) async throws -> Int {
            defer { unwound.add(level) }
            guard level < BridgeDepthTests.depth else {
                bottom.send(())
                return try await end()
            }
            return try await blocking { try synchronous(level + 1) } + 1
        }

        func synchronous(_ level: Int) throws -> Int {
            defer { unwound.add(level) }
            return try awaiting { try await asynchronous(level + 1) } + 1
        }
    }

    private static func configuration() -> HubConfiguration {
        var configuration = HubConfiguration()
        configuration.stackSize = 64 * 1024
        return configuration
    }

    @Test(arguments: [false, true])
    func `a value is returned through a thousand bridges`(suspends: Bool) async throws {
        try await onHub(Self.configuration()) {
            let probe = Probe {
                if suspends { try await sleep(for: .microseconds(1)) }
                return 0
            }
            let levels = try await probe.asynchronous(0)
            #expect(levels == Self.depth)
            #expect(Hub.counts.greenThreadsHighWater == Self.depth / 2)
        }
    }

    @Test(arguments: [false, true])
    func `the same error value is thrown through a thousand bridges`(suspends: Bool) async throws {
        let failure = FailureObject()
        try await onHub(Self.configuration()) {
            let probe = Probe {
                if suspends { await Task.yield() }
                throw failure
            }
            await #expect { _ = try await probe.asynchronous(0) } throws: { $0 as? FailureObject === failure }
            #expect(probe.unwound.all == (0...Self.depth).reversed())
        }
    }

    @Test(arguments: [false, true])
    func `a cancel at the top reaches a wait a thousand bridges deep, and every level unwinds`(isTimeOut: Bool) async throws {
        try await onHub(Self.configuration()) {
            let probe = Probe {
                try await sleep(for: forever)
                return 0
            }
            let task = Hub.current!.spawn {
                if isTimeOut {
                    try await withTimeout(.milliseconds(100)) { try await probe.asynchronous(0) }
                } else {
                    try await probe.asynchronous(0)
                }
            }
            try await probe.bottom.wait()
            if isTimeOut {
                await #expect(throws: TandemError(.timedOut, "")) { _ = try await task.value }
            } else {
                task.cancel()
                await #expect(throws: CancellationError.self) { _ = try await task.value }
            }
            #expect(probe.unwound.all == (0...Self.depth).reversed())
        }
    }

    // MARK: In a row

    /// The approximate position of the stack pointer.
    @inline(never) private static func stackPointer() -> UInt {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { UInt(bitPattern: $0.baseAddress!) }
    }

    private static let row = Sanitizer.any ? 10_000 : 100_000

    @Test func `a hundred thousand waits that are already satisfied do not grow the stack, in either style`() async throws {
        try await onHub {
            let there = Event<Int>()
            there.send(1)
            let ended = GreenThread { 1 }
            _ = try await ended.wait()
            let full = Semaphore(1)

            var (lowest, highest) = (UInt.max, UInt.min)
            for _ in 0..<Self.row {
                _ = try await there.wait() + ended.wait()
                try await full.withPermit {}
                await blocking {}
                (lowest, highest) = (min(lowest, Self.stackPointer()), max(highest, Self.stackPointer()))
            }
            #expect(highest - lowest < 1024)

            let spread = try await blocking {
                var (lowest, highest) = (UInt.max, UInt.min)
                var below = UInt.max
                for _ in 0..<Self.row {
                    _ = try there.wait() + ended.wait()
                    try full.withPermit {}
                    let hub = try awaiting { Self.stackPointer() }
                    below = min(below, hub)
                    (lowest, highest) = (min(lowest, Self.stackPointer()), max(highest, Self.stackPointer()))
                }
                return highest - lowest
            }
            #expect(spread < 1024)
        }
    }

    @Test func `the hub's own stack does not grow with the depth of bridges`() async throws {
        try await onHub(Self.configuration()) {
            let pointers = Recorder<UInt>()
            @Sendable func asynchronous(_ level: Int) async throws {
                pointers.add(Self.stackPointer())
                guard level < 100 else { return }
                try await blocking { try awaiting { try await asynchronous(level + 1) } }
            }
            try await asynchronous(0)
            // The first is called from the task's start, the others by their host frames.
            let deeper = pointers.all.dropFirst()
            #expect(deeper.max()! - deeper.min()! < 1024)
        }
    }
}
