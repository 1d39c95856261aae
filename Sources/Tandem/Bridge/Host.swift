internal import CTandem

extension Hub {
    /// Runs `body` on a borrowed stack, in the running task, and awaits for it whatever it waits for. Like any allocation,
    /// running out of memory for a stack ends the process.
    ///
    /// This frame is the green thread's host: it stays on the hub's own stack, and each time the green stack hands the
    /// thread back it suspends the task, or awaits the operation, as any async function would. Each parked green thread has
    /// one, so what it need not hold is elsewhere.
    func host(_ name: GreenThreadName, _ body: BorrowedClosure) async {
        let fiber = takeStack(name, body)
        while true {
            switch tandem_fiber_resume(fiber) {
            case .finished:
                return tandem_stack_give_back(stacks, fiber)
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

    private func takeStack(_ name: GreenThreadName, _ body: BorrowedClosure) -> Fiber {
        guard let fiber = tandem_stack_take(stacks) else {
            fatalError(
                "no memory for another green stack (\(stacks.pointee.in_use) in use): limit concurrency, or lower the stack size")
        }
        fiber.body.initialize(to: body)
        fiber.pointee.name = name.pointer
        fiber.pointee.task = tandem_current_task()
        tandem_pulse_started(pulse)
        return fiber
    }

    /// The hub has stopped, and this task came back on another thread. A green stack must not go on there: compilers keep
    /// thread-local addresses across calls. It is left where it stands, for ever.
    @inline(never)  // frame
    private func abandon(_ fiber: Fiber) async {
        let name = GreenThreadName(fiber.pointee.name!)
        report(.abandoned, "\(name) outlived its hub by more than the grace and is abandoned where it waits")
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }

    /// As `host`, from a task that is not on a hub: it moves here for the length of the call.
    func hostFromElsewhere(_ name: GreenThreadName, _ body: BorrowedClosure) async {
        // The caller is suspended until the body has ended: nobody else uses it.
        nonisolated(unsafe) let body = body
        await visit { await host(name, body) }
    }
}
