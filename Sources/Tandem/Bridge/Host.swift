internal import CTandem
internal import Synchronization

extension Hub {
    /// Runs `body` on a borrowed stack in the running task. When `body` waits, this function awaits in its place. Ends the process
    /// if no memory for a stack can be mapped.
    ///
    /// This frame is the green thread's host frame. It stays on the hub's own stack. Each time the green stack returns control,
    /// this function suspends the task or awaits the operation, as any async function would. Keep the frame small: every parked
    /// green thread has one.
    func host(_ name: GreenThreadName, _ body: BorrowedClosure) async {
        let fiber = takeStack(name, body)
        while true {
            switch tandem_is_recording() ? recordSlice(fiber) : tandem_fiber_resume(fiber) {
            case .finished:
                return giveBack(fiber)
            case .parked:
                tandem_pulse_parked(pulse)
                await park(fiber.pointee.waiting_on!)
            case .awaiting:
                tandem_pulse_awaited(pulse)
                await fiber.operation.pointee.callAsync()
            }
            if !isCurrent { await abandon(fiber) }
        }
    }

    /// Whether the running task may be resumed on another hub: it prefers no executor, and several hubs run such tasks.
    var mayLoseTask: Bool {
        guard sharesGlobalTasks.load(ordering: .relaxed) else { return false }
        return withUnsafeCurrentTask { $0?.unownedTaskExecutor == nil }
    }

    /// Runs the green thread as `tandem_fiber_resume` does, and records when it ran.
    @inline(never)  // frame
    private func recordSlice(_ fiber: Fiber) -> tandem_signal {
        let began = tandem_ticks()
        let signal = tandem_fiber_resume(fiber)
        tandem_record_slice(fiber, began)
        return signal
    }

    @inline(never)  // frame
    private func giveBack(_ fiber: Fiber) { stacks.giveBack(fiber) }

    private func takeStack(_ name: GreenThreadName, _ body: BorrowedClosure) -> Fiber {
        let fiber = stacks.take()
        fiber.body.initialize(to: body)
        fiber.pointee.name = name.pointer
        fiber.pointee.task = tandem_current_task()
        fiber.pointee.sleep_was_cancelled = false
        fiber.pointee.locks = 0
        tandem_pulse_started(pulse)
        return fiber
    }

    /// Leaves a green stack suspended forever, because its hub has stopped and its task was resumed on another thread. The stack
    /// must not continue there: compilers keep thread-local addresses across calls.
    @inline(never)  // frame
    private func abandon(_ fiber: Fiber) async {
        let name = GreenThreadName(fiber.pointee.name!)
        report(.abandoned, "\(name) outlived its hub by more than the stop grace and is abandoned where it waits")
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }

    /// Reports, once per process, that a task on no hub called blocking code, which then runs on another thread than the task does.
    @inline(never)  // frame
    func reportCallFromElsewhere(_ call: String) {
        guard !Hub.hasReportedCall.exchange(true, ordering: .relaxed) else { return }
        report(
            .leftHub,
            """
            \(call) was called in a task that runs on no hub, so the blocking code runs on this hub, which is another thread. Task { }, \
            Task.detached and frameworks such as SwiftNIO start their tasks on no hub: use spawn { }, or set \
            HubConfiguration.takesOverGlobalExecutor. Further calls are not reported.
            """)
    }

    private static let hasReportedCall = Atomic<Bool>(false)

    /// Runs `body` for a task that is not on a hub, or that may leave this one: the task prefers this hub for the length of the call.
    /// The preference must come before the stack, because a task frees what it has allocated in reverse order, also what `body` has.
    func hostFromElsewhere(_ name: GreenThreadName, _ body: BorrowedClosure) async {
        // The caller is suspended until the body has ended, so the closure is never used by both.
        nonisolated(unsafe) let body = body
        var hub = self
        while true {
            let hasRun = await hub.visit {
                // The hub may have ended before the task arrived.
                guard hub.isCurrent else { return false }
                await hub.host(name, body)
                return true
            }
            if hasRun { return }
            hub = HubGroup.shared.nextHub()
        }
    }
}
