internal import CTandem

extension Hub {
    /// Turns the calling OS thread into a hub, runs `body` on it, and returns when `body` has ended.
    ///
    /// Tasks and green threads that were spawned meanwhile and have not ended are cancelled. The call waits for them, at most
    /// `HubConfiguration.stopGrace`. Traps on a thread that already runs a hub.
    ///
    /// - Parameters:
    ///   - configuration: The configuration of the hub.
    ///   - body: The code to run, in a new task on the hub.
    /// - Returns: The result of `body`.
    /// - Throws: The error that `body` throws. `TandemError` `systemCall` if the kernel refuses a resource that a hub needs, or
    ///   `invalidArgument` for an unknown name in `TANDEM_HUB_POLLER`; see also `HubConfiguration.takesOverGlobalExecutor`.
    public static func run<Success: Sendable>(
        _ configuration: HubConfiguration = HubConfiguration(), _ body: @escaping @Sendable () async throws -> Success
    ) throws -> Success {
        let hub = try Hub(configuration: configuration)
        try GlobalExecutor.shared.install([hub])
        let outcome = Event<Success>()
        Task(executorPreference: hub) {
            do { outcome.send(try await body()) } catch { outcome.fail(error) }
            hub.requestStop()
        }
        hub.loop.run()
        return try outcome.outcome!.get()
    }

    /// Starts async code in a task on this hub. May be called from any thread. When the hub stops, it cancels the task and waits
    /// for it. If the task is cancelled before its first step, `body` never runs.
    ///
    /// Use this instead of `Task { }` and `Task.detached`, whose tasks leave the hub.
    ///
    /// - Parameters:
    ///   - name: The name of the task, for dumps and messages.
    ///   - delay: The minimum delay before the body starts.
    ///   - body: The async code.
    /// - Returns: The task. It throws `TandemError` `hubStopped` if the hub stopped before the body started.
    @discardableResult
    public func spawn<Success: Sendable>(
        name: GreenThreadName = "task", after delay: Duration = .zero, _ body: @escaping @Sendable () async throws -> Success
    ) -> Task<Success, any Error> {
        Task(executorPreference: self) { try await self.registered(name, after: delay, body) }
    }

    /// Runs `body` while the task is registered as one that the hub cancels when it stops. Throws if the hub has stopped already.
    private func registered<Success>(
        _ name: GreenThreadName, after delay: Duration, _ body: () async throws -> Success
    ) async throws -> Success {
        try register(name)
        defer { unregister() }
        if delay > .zero { try await sleep(for: delay) }
        return try await body()
    }

    /// Runs `body` on a green stack while the task is registered. Returns the error because of which `body` never ran, or nil if
    /// it ran. Holds `body` until then.
    @inline(never)
    func runThread(
        _ name: GreenThreadName, _ reason: CancellationReason, after delay: Duration, _ body: () -> Void
    ) async -> (any Error)? {
        let borrowed = BorrowedClosure.borrow(body)
        do {
            try register(name, reason)
            defer { unregister() }
            if delay > .zero { try await sleep(for: delay) }
            await host(name, borrowed)
            return nil
        } catch {
            return error
        }
    }

    private func register(_ name: GreenThreadName, _ reason: CancellationReason? = nil) throws {
        try Task.checkCancellation()
        guard isCurrent, !isStopping else { throw TandemError(.hubStopped, "the hub stopped before this task started") }
        tasks.add(tandem_current_task()!, name: name, reason: reason)
        if tandem_is_recording() { tandem_record_mark(TANDEM_EVENT_TASK, tandem_current_task(), name.pointer, 0) }
    }

    /// Unregisters the running task. A task that outlived its hub runs on another thread and must not touch the hub's list.
    private func unregister() {
        guard isCurrent else { return }
        tasks.remove(tandem_current_task()!)
        // Another task may get this address.
        if tandem_is_recording() { tandem_record_mark(TANDEM_EVENT_TASK, tandem_current_task(), nil, 0) }
    }
}
