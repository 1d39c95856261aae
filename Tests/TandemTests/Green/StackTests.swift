internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct StackTests {
    /// Calls `body` with the stack pointer below `limit`, through frames whose buffers the optimizer must keep.
    @inline(never) static func descend(below limit: UInt, _ body: () throws -> Void) rethrows {
        try withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { buffer in
            keep(buffer)
            if UInt(bitPattern: buffer.baseAddress!) > limit { try descend(below: limit, body) } else { try body() }
            // After the call, so that the call is not a tail call.
            keep(buffer)
        }
    }

    @inline(never) static func keep(_ buffer: UnsafeMutableRawBufferPointer) {
        withExtendedLifetime(buffer) { buffer[1] = buffer[0] }
    }

    /// Recurses `depth` times, or endlessly.
    @inline(never) static func recurse(_ depth: Int) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 16) { buffer in
            keep(buffer)
            let result = depth == 0 ? 0 : recurse(depth - 1) + 1
            keep(buffer)
            return result
        }
    }

    @Test func `a green thread may use 200 of its 256 KiB and park there, on a new or a reused stack`() async throws {
        try await onHub {
            for _ in 0..<3 {
                let threads = (0..<10).map { _ in
                    GreenThread {
                        let fiber = try currentFiber("test", #fileID, #line)
                        var parked = false
                        try Self.descend(below: fiber.pointee.high - 200 * 1024) {
                            try sleep(for: .zero)
                            parked = true
                        }
                        return parked
                    }
                }
                for thread in threads {
                    let parked = try await thread.wait()
                    #expect(parked)
                }
            }
            #expect(Hub.counts.greenThreadsHighWater == 10)
        }
    }

    @Test func `stacks are page-aligned, disjoint and of the requested size`() {
        let pool = UnsafeMutablePointer<tandem_stack_pool>.allocate(capacity: 1)
        tandem_stack_pool_init(pool, 100_000, greenEntry)
        let page = UInt(sysconf(CInt(_SC_PAGESIZE)))
        #expect(pool.pointee.stack_size == (100_000 + Int(page) - 1) / Int(page) * Int(page))
        let fibers = (0..<200).map { _ in tandem_stack_take(pool)! }
        #expect(pool.pointee.in_use == 200)
        #expect(pool.pointee.high_water == 200)
        #expect(Set(fibers.map(\.pointee.number)).count == 200)
        let ranges = fibers.map { ($0.pointee.low, $0.pointee.high) }.sorted { $0.0 < $1.0 }
        for (low, high) in ranges {
            #expect(low % page == 0)
            #expect(high % 16 == 0)
            #expect(high - low <= UInt(pool.pointee.stack_size))
            #expect(high - low > UInt(pool.pointee.stack_size) - page)
        }
        for (lower, upper) in zip(ranges, ranges.dropFirst()) { #expect(upper.0 >= lower.1 + page, "a guard page between") }
        for fiber in fibers { tandem_stack_give_back(pool, fiber) }
        #expect(pool.pointee.in_use == 0)
        #expect(pool.pointee.high_water == 200)
        #expect(tandem_stack_take(pool) == fibers.last, "last used first")
        tandem_stack_give_back(pool, fibers.last!)
        tandem_stack_pool_destroy(pool)
        pool.deallocate()
    }

    // MARK: Overflow

    @Test(.enabled(if: !Sanitizer.any, "the sanitizers' own handlers report the overflow"))
    func `endless recursion ends the process with the green thread's name and the setting to raise`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try await onHub {
                _ = try await GreenThread(name: "deep-recursion") { StackTests.recurse(.max) }.wait()
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("green thread stack overflow in deep-recursion: its stack of 256 KiB is used up"))
        #expect(said.contains("HubConfiguration.stackSize"))
    }

    @Test(.enabled(if: !Sanitizer.any, "the sanitizers' own handlers report the overflow"))
    func `an overflow on a second hub is recognized after the first hub has ended`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try await onHub {}
            var configuration = HubConfiguration()
            configuration.stackSize = 64 * 1024
            try await onHub(configuration) {
                let name = GreenThreadName(permanent: "GET /users/\(7)")
                _ = try await GreenThread(name: name) { StackTests.recurse(.max) }.wait()
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("green thread stack overflow in GET /users/7: its stack of 64 KiB is used up"))
    }

    @Test(.enabled(if: !Sanitizer.any, "the sanitizers' own handlers report the fault"))
    func `another fault on a green stack is not reported as an overflow`() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            try await onHub {
                await blocking { UnsafeMutablePointer<Int>(bitPattern: 64)!.pointee = 1 }
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(!said.contains("stack overflow"))
    }
}
