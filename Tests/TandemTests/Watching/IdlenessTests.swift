internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct IdlenessTests {
    // MARK: Cold stacks

    /// Touches 128 KiB of the stack, 1 KiB per frame, and waits at the bottom. Returns how many frames still hold
    /// the values that they wrote.
    @inline(never) static func useMuch(_ depth: Int = 128, _ waitDeep: () throws -> Void) throws -> Int {
        guard depth > 0 else {
            try waitDeep()
            return 0
        }
        return try withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { buffer in
            let number = ContiguousArray(repeating: UInt8(truncatingIfNeeded: depth), count: 1024)
            number.withUnsafeBytes { buffer.copyMemory(from: $0) }
            let below = try useMuch(depth - 1, waitDeep)
            return below + (number.withUnsafeBytes { memcmp($0.baseAddress!, buffer.baseAddress!, 1024) } == 0 ? 1 : 0)
        }
    }

    /// A configuration with room for the frames of unoptimized code under a sanitizer.
    static var roomy: HubConfiguration {
        var configuration = HubConfiguration()
        configuration.stackSize = 2 << 20
        return configuration
    }

    struct Range: Hashable { let low, high: UInt }

    static func ownRange() -> Range {
        let fiber = tandem_current_fiber()!
        return Range(low: fiber.pointee.low, high: fiber.pointee.high)
    }

    static func residentPages(_ ranges: some Sequence<Range>) -> Int {
        let page = UInt(sysconf(CInt(_SC_PAGESIZE)))
        return ranges.reduce(0) { sum, range in
            var pages = [UInt8](repeating: 0, count: Int((range.high - range.low + page - 1) / page))
            let failed = mincore(UnsafeMutableRawPointer(bitPattern: range.low), pages.count * Int(page), &pages)
            precondition(failed == 0, "mincore: errno \(errno)")
            return sum + pages.count { $0 & 1 != 0 }
        }
    }

    /// Runs `count` green threads that use much stack at once. Returns their stacks.
    static func goDeep(_ count: Int) async throws -> Set<Range> {
        let (event, ranges) = (Event<Void>(), Recorder<Range>())
        let threads = (0..<count).map { _ in
            GreenThread {
                ranges.add(Self.ownRange())
                return try Self.useMuch { try event.wait() }
            }
        }
        try await turnUntil { event.waiting == count }
        event.send(())
        for thread in threads {
            let intact = try await thread.wait()
            #expect(intact == 128)
        }
        return Set(ranges.all)
    }

    @Test func `an idle hub returns the memory of deep calls, and the stacks remain usable`() async throws {
        try await onHub(Self.roomy) {
            let ranges = try await Self.goDeep(64)
            #expect(ranges.count == 64)
            #expect(Self.residentPages(ranges) >= 64 * 32)
            // The next trim is due.
            Hub.current!.loop.idleness.nextTrim = 1
            try await sleep(for: .milliseconds(1))
            #expect(Self.residentPages(ranges) <= 64 * 5)
            let again = try await Self.goDeep(64)
            #expect(again == ranges)
        }
    }

    @Test func `a stack in use is never trimmed, even when it was returned and lent again`() async throws {
        try await onHub(Self.roomy) {
            _ = try await Self.goDeep(8)
            let event = Event<Void>()
            let thread = GreenThread { (Self.ownRange(), try Self.useMuch { try event.wait() }) }
            try await turnUntil { event.waiting == 1 }
            Hub.current!.loop.idleness.nextTrim = 1
            try await sleep(for: .milliseconds(1))
            event.send(())
            let (range, intact) = try await thread.wait()
            #expect(intact == 128)
            #expect(Self.residentPages([range]) >= 32)
        }
    }

    @Test func `a configuration can keep the memory`() async throws {
        var configuration = Self.roomy
        configuration.trimsStacks = false
        try await onHub(configuration) {
            let ranges = try await Self.goDeep(8)
            Hub.current!.loop.idleness.nextTrim = 1
            try await sleep(for: .milliseconds(1))
            #expect(Self.residentPages(ranges) >= 8 * 32)
        }
    }

    @Test(.enabled(if: !Sanitizer.any, "the sanitizers' own handlers report the overflow"))
    func `a trimmed stack still has its guard`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try await onHub {
                _ = try await IdlenessTests.goDeep(1)
                Hub.current!.loop.idleness.nextTrim = 1
                try await sleep(for: .milliseconds(1))
                _ = try await GreenThread(name: "deep-recursion") { StackTests.recurse(.max) }.wait()
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("stack overflow in deep-recursion"))
    }

    // MARK: Stuck waiters

    /// Runs `body` on a hub that reports stuck waiters at once, and then ends it from another thread.
    private func stuck(_ body: @escaping @Sendable (Hub, Recorder<HubReport>) async throws -> Void) async throws {
        let reports = Recorder<HubReport>()
        var configuration = HubConfiguration()
        configuration.stuckThreshold = .milliseconds(20)
        configuration.onReport = { reports.add($0) }
        let group = try HubGroup(count: 1, configuration: configuration)
        do { try await body(group.hubs[0], reports) } catch { Issue.record(error) }
        await group.shutdown()
    }

    private func until(_ condition: () -> Bool) async throws {
        for _ in 0..<10_000 where !condition() { try await Task.sleep(for: .milliseconds(2)) }
        #expect(condition())
    }

    @Test func `an idle hub whose waiters nothing can wake reports them once, with what they wait for`() async throws {
        try await stuck { hub, reports in
            let (event, queue) = (Event<Void>(), Queue<Int>())
            // Both start in one turn.
            let (thread, task) = try await hub.spawn {
                (
                    GreenThread(name: "lost") { try event.wait() },
                    Hub.current!.spawn(name: "starved") { try await queue.get() }
                )
            }.value
            try await until { reports.count == 1 }
            let report = reports.all[0]
            #expect(report.kind == .stuck)
            #expect(report.message.contains("2 call(s) wait"))
            #expect(report.message.contains("\"lost\": Event.wait, for"))
            #expect(report.message.contains("task \"starved\": Queue.get, for"))
            // A new period begins after something has run.
            event.send(())
            try await thread.wait()
            try await until { reports.count == 2 }
            #expect(reports.all[1].message.contains("1 call(s) wait"))
            _ = try queue.tryPut(1)
            _ = try await task.value
        }
    }

    @Test func `waiting for a timer, a descriptor or a pool's thread does not count as stuck`() async throws {
        try await stuck { hub, reports in
            let event = Event<Void>()
            let (go, ready) = (ThreadEvent(), Event<Void>())
            let pooled = GreenThread(on: hub) {
                try offload {
                    ready.send(()); go.wait()
                }
            }
            try await ready.wait()
            let waiter = GreenThread(on: hub) { try event.wait() }
            // This is longer than the threshold.
            try await Task.sleep(for: .milliseconds(100))
            event.send(())
            try await waiter.wait()
            go.set()
            try await pooled.wait()
            let sleeper = GreenThread(on: hub) { try sleep(for: .milliseconds(100)) }
            try await sleeper.wait()
            let reader = GreenThread(on: hub) {
                let (reader, writer) = try descriptorPair()
                let timer = HubTimer(on: Hub.current!) { try? writer.send("x") }
                defer { reader.close(); writer.close() }
                timer.arm(.after(.milliseconds(100)))
                _ = try reader.receive()
            }
            try await reader.wait()
            #expect(reports.count == 0)
        }
    }
}
