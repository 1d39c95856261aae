internal import CTandem

/// The waits of a hub. Their memory is recycled, and freed only with the hub: any thread may post to a wait that it finds in a list
/// guarded by a lock. Must be used on the hub's thread.
struct WaitPool {
    private static let perSlab = 128

    /// The number of waits that are in use.
    private(set) var inUse = 0
    private var free: Wait?
    private var slabs: [Wait] = []
    private let inbox: UnsafeMutablePointer<tandem_inbox>

    /// Creates a pool without waits. They are delivered through `inbox`.
    init(inbox: UnsafeMutablePointer<tandem_inbox>) { self.inbox = inbox }

    /// Frees the memory. No wait may be in use: the frames of suspended callers retain the hub.
    func deallocate() { for slab in slabs { slab.deallocate() } }

    mutating func take() -> Wait {
        inUse += 1
        guard let wait = free else { return addSlab() }
        free = Wait(bitPattern: wait.pointee.next)
        wait.pointee.job = nil
        wait.pointee.woken_by = 0
        wait.pointee.released = false
        wait.pointee.ignores_cancellation = false
        wait.pointee.is_woken_by_thread = false
        wait.pointee.is_delayed_job = false
        return wait
    }

    mutating func giveBack(_ wait: Wait) {
        inUse -= 1
        wait.pointee.what = nil
        if tandem_wait_is_posted(wait) {
            // A second reason was posted, and the wait is still in the inbox: `didArrive` recycles it.
            wait.pointee.released = true
        } else {
            recycle(wait)
        }
    }

    /// Takes the reasons of a wait that came out of the inbox. Returns nil if its owner has finished with it.
    mutating func didArrive(_ wait: Wait) -> UInt32? {
        let reasons = tandem_wait_take_posted(wait)
        guard wait.pointee.released else { return reasons }
        recycle(wait)
        return nil
    }

    /// Calls `body` with each wait in use that is not a `HubTimer`.
    func forEachCall(_ body: (Wait) -> Void) { for slab in slabs { WaitPool.forEachCall(in: slab, body) } }

    /// Calls `body` in the same way for the slabs from number `first` on, which have at least `limit` waits together. Returns the number
    /// of the next slab; nil at the end. Slabs are never freed, so the walk may go on after the hub has run other jobs.
    func forEachCall(from first: Int, atLeast limit: Int, _ body: (Wait) -> Void) -> Int? {
        let next = min(slabs.count, first + (limit + WaitPool.perSlab - 1) / WaitPool.perSlab)
        for slab in slabs[min(first, next)..<next] { WaitPool.forEachCall(in: slab, body) }
        return next < slabs.count ? next : nil
    }

    private static func forEachCall(in slab: Wait, _ body: (Wait) -> Void) {
        for index in 0..<perSlab where slab[index].what != nil && slab[index].timer == nil { body(slab + index) }
    }

    private mutating func recycle(_ wait: Wait) {
        wait.pointee.next = UInt(bitPattern: free)
        free = wait
    }

    private mutating func addSlab() -> Wait {
        let slab = Wait.allocate(capacity: WaitPool.perSlab)
        slabs.append(slab)
        for index in 0..<WaitPool.perSlab {
            (slab + index).initialize(to: tandem_wait())
            slab[index].inbox = inbox
            if index > 0 { recycle(slab + index) }
        }
        return slab
    }
}
