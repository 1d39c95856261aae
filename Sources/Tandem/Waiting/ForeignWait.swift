package import CTandem
internal import Glibc
internal import Synchronization

/// The waits of blocking code that does not know Tandem, made for it by `TandemPatch`. All functions must be called on a green
/// stack, on the thread of its hub, unless they say otherwise.
package enum ForeignWait {
    /// Why a wait ended.
    package enum Outcome: Sendable {
        /// One of the entries may have an event.
        case ready
        /// One of the entries is a file that is always ready, such as a regular file, or the hub cannot wait for it.
        case alwaysReady
        /// The deadline has passed.
        case timedOut
        /// The task has been cancelled.
        case cancelled
    }

    /// Parks the green thread until one of `entries` may have an event. Entries with a negative number are ignored. A number may
    /// be in several entries, and other green threads and a `Descriptor` may wait for it too.
    ///
    /// - Parameters:
    ///   - entries: The entries of a poll(2) call. The results are not filled in.
    ///   - deadline: When the wait gives up, in nanoseconds of the hub's clock; `UInt64.max` for never.
    ///   - what: The name of the call that waits, for dumps: a string that is never freed.
    package static func poll(
        _ entries: UnsafeBufferPointer<pollfd>, deadline: UInt64, for what: UnsafePointer<CChar>
    ) -> Outcome {
        let (hub, fiber) = current
        let wait = hub.waits.begin(
            deadline: Deadline(nanoseconds: deadline), named: what, entries.count == 1 ? entries[0].fd : -1)
        return withUnsafeTemporaryAllocation(of: Registrations.Watch.self, capacity: entries.count) { watches in
            var begun = 0
            var outcome: Outcome?
            for entry in entries where entry.fd >= 0 {
                let watch = watches.baseAddress! + begun
                watch.initialize(to: Registrations.Watch(entry.fd, UInt32(UInt16(bitPattern: entry.events)), wait))
                do throws(TandemError) {
                    try hub.registrations.begin(watch)
                    begun += 1
                } catch {
                    // The real call reports an invalid number.
                    outcome = error.errno == EBADF ? .ready : .alwaysReady
                    break
                }
            }
            if outcome == nil { parkGreenThread(fiber, wait) }
            while begun > 0 {
                begun -= 1
                hub.registrations.end(watches.baseAddress! + begun)
            }
            let reason = hub.waits.finish(wait)
            return outcome ?? Outcome(reason)
        }
    }

    /// Parks the green thread until the deadline, in nanoseconds of the hub's clock; with a deadline that has passed, until other
    /// jobs have run once. Returns false if the task has been cancelled. Only the first sleep that a cancellation interrupts
    /// returns false, because callers commonly sleep again until their time is over.
    package static func sleep(until deadline: UInt64, for what: UnsafePointer<CChar>) -> Bool {
        let (hub, fiber) = current
        let hasPassed = deadline <= tandem_monotonic_nanoseconds()
        let wait = hub.waits.begin(deadline: hasPassed ? .never : Deadline(nanoseconds: deadline), named: what)
        wait.pointee.ignores_cancellation = fiber.pointee.sleep_was_cancelled
        if hasPassed { hub.waits.wakeAfterJob(wait) }
        parkGreenThread(fiber, wait)
        guard hub.waits.finish(wait) == .cancelled else { return true }
        fiber.pointee.sleep_was_cancelled = true
        return false
    }

    /// Begins a wait that cancelling the task does not end, for locks: their callers are not prepared for it. Until `end`, any
    /// thread may wake it by posting `TANDEM_WAKE_READY`.
    package static func begin(deadline: UInt64, for what: UnsafePointer<CChar>) -> UnsafeMutablePointer<tandem_wait> {
        let wait = Hub.current!.waits.begin(deadline: Deadline(nanoseconds: deadline), named: what)
        wait.pointee.ignores_cancellation = true
        return wait
    }

    /// Parks the green thread until the wait is woken. Returns false if its deadline has passed first.
    package static func park(_ wait: UnsafeMutablePointer<tandem_wait>) -> Bool {
        parkGreenThread(tandem_current_fiber()!, wait)
        return wait.pointee.woken_by & TANDEM_WAKE_READY != 0
    }

    /// Ends a wait, whether or not the green thread has parked on it.
    package static func end(_ wait: UnsafeMutablePointer<tandem_wait>) { _ = Hub.current!.waits.finish(wait) }

    /// Lets other jobs of the hub run if the turn has lasted for a millisecond. For code whose calls do not have to wait.
    package static func giveWayIfDue() {
        let hub = Hub.current!
        if tandem_real_nanoseconds() - hub.clock.realTurnTime > 1_000_000 { hub.giveWay() }
    }

    /// The pool for calls of libc that wait inside it. Its threads only wait, and it is separate so that they take none from jobs that
    /// compute.
    private static let pool = OffloadPool(forProcess: "libc", threads: 64)

    /// Runs `body(context)` on an OS thread of the pool for calls of libc, and parks the green thread until it has ended. A cancellation does
    /// not end it. Returns false, without having run it, if the pool is full.
    package static func offload(
        _ body: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void, _ context: UnsafeMutableRawPointer
    ) -> Bool {
        // The caller's stack, where the context is, is parked until the body has ended.
        nonisolated(unsafe) let context = context
        do {
            try withCancellationShield { try pool.run { body(context) } }
            return true
        } catch {
            return false
        }
    }

    /// Ends the process: async code on the hub's own stack wants a lock that a parked green thread of the same hub holds. The green
    /// thread cannot run before the async code has returned, and that waits for the green thread.
    package static func deadlock(on lock: UnsafeRawPointer, heldBy holder: UnsafePointer<tandem_fiber>?) -> Never {
        let name = holder.map { "green thread \($0.pointee.number) \"\(GreenThreadName($0.pointee.name!))\"" }
        let wanting = withUnsafeTemporaryAllocation(of: UInt.self, capacity: 64) { buffer in
            let count = tandem_trace_here(buffer.baseAddress!, 64)
            return StackTrace(buffer[..<count], startsWithCounter: false).description
        }
        fatalError(
            """
            async code wants the lock at \(lock), which \(name ?? "a parked green thread") of the same hub holds: neither can go on. \
            Do not share a lock between the styles across a wait: use a primitive of Tandem, or call this code with blocking { }.
            The async code:
            \(wanting)
            \(Hub.current?.dump().description ?? "")
            """)
    }

    /// A closure that is itself the value of a `Mutex` is wrapped once more by each `withLock`; inside a structure it is not.
    private struct CallReport {
        var lines: @Sendable () -> [String]
    }

    private static let callReport = Mutex(CallReport { [] })

    /// Sets what makes the lines of a dump about calls of libc on green stacks. Any thread.
    package static func describeCalls(_ lines: @escaping @Sendable () -> [String]) { callReport.withLock { $0.lines = lines } }

    /// Returns a line per function of libc that was called on a green stack. Any thread.
    static func callLines() -> [String] { callReport.withLock { $0.lines }() }

    /// Runs `body` with the calls of libc itself: for code that must not run again while one of its calls waits. `body` must not
    /// wait on the hub. Any stack.
    @inline(__always)
    package static func withoutParking<Success>(_ body: () -> Success) -> Success {
        guard let fiber = tandem_current_fiber() else { return body() }
        fiber.pointee.unpatched += 1
        defer { fiber.pointee.unpatched -= 1 }
        return body()
    }

    private static var current: (Hub, UnsafeMutablePointer<tandem_fiber>) { (Hub.current!, tandem_current_fiber()!) }
}

extension ForeignWait.Outcome {
    fileprivate init(_ reason: WakeReason) {
        switch reason {
        case .ready, .closed: self = .ready
        case .cancelled: self = .cancelled
        case .timedOut: self = .timedOut
        }
    }
}
