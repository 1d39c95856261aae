internal import CTandem

/// The green stacks of a hub: those that fibers use, and free ones. Must be used on the hub's thread. A value of this type refers to
/// memory that the hub owns.
struct StackPool {
    private let pool: UnsafeMutablePointer<tandem_stack_pool>

    /// Creates a pool without stacks.
    ///
    /// - Parameter size: The size of a stack in bytes, at least 16 KiB.
    init(stackSize size: Int) {
        pool = .allocate(capacity: 1)
        tandem_stack_pool_init(pool, max(size, 16 * 1024), greenEntry)
    }

    func deallocate() {
        tandem_stack_pool_destroy(pool)
        pool.deallocate()
    }

    /// Returns a fiber on a free stack. Ends the process if no memory for a stack can be mapped.
    func take() -> Fiber {
        guard let fiber = tandem_stack_take(pool) else {
            fatalError("no memory for another green stack (\(inUse) in use): limit concurrency, or lower the stack size")
        }
        return fiber
    }

    /// Takes back the stack of a fiber that has finished.
    func giveBack(_ fiber: Fiber) { tandem_stack_give_back(pool, fiber) }

    /// Whether a stack was given back since the last trim. It may be in use again.
    var canTrim: Bool { pool.pointee.used != nil }

    /// Gives memory of at most `limit` free stacks back to the kernel. Returns whether there are more.
    func trim(atMost limit: Int) -> Bool { tandem_stack_pool_trim(pool, limit) }

    /// The number of stacks in use.
    var inUse: Int { Int(pool.pointee.in_use) }

    /// The maximum number of stacks that were in use at the same time.
    var highWater: Int { Int(pool.pointee.high_water) }

    /// The number of stacks that are mapped, in use or free.
    var mapped: Int { Int(pool.pointee.total) }

    /// Returns the fiber with this number; nil if no fiber in use has it.
    func fiber(numbered number: Int) -> Fiber? { tandem_stack_pool_find(pool, UInt64(clamping: number)) }

    /// A walk over the fibers in use, which may go on after the hub has run other jobs: it then misses stacks that were mapped since.
    struct Walk {
        fileprivate var slab: OpaquePointer?

        /// Calls `body` with the fibers in use of the next slabs, which have at least `limit` stacks together. Returns false at the end.
        mutating func next(atLeast limit: Int, _ body: (Fiber) -> Void) -> Bool {
            let room = Int(TANDEM_STACKS_PER_SLAB)
            withUnsafeTemporaryAllocation(of: Fiber?.self, capacity: room) { buffer in
                for _ in 0..<(limit + room - 1) / room where slab != nil {
                    for fiber in buffer[..<tandem_slab_lent(&slab, buffer.baseAddress!)] { body(fiber!) }
                }
            }
            return slab != nil
        }
    }

    /// A walk over the fibers in use, at its beginning.
    var walk: Walk { Walk(slab: pool.pointee.slabs) }

    /// The fibers whose stacks are in use.
    var fibers: [Fiber] {
        let count = inUse
        return withUnsafeTemporaryAllocation(of: Fiber?.self, capacity: count) { buffer in
            let found = tandem_stack_pool_lent(pool, buffer.baseAddress!, count)
            return buffer[..<found].compactMap { $0 }
        }
    }
}
