internal import CTandem

extension Hub {
    /// Makes the calling OS thread a hub, runs `body` on it, and returns when `body` has ended.
    ///
    /// What was spawned meanwhile and still lives is cancelled and waited for, at most `stopGrace`. Must not be called
    /// on a thread that runs a hub already.
    ///
    /// - Throws: What `body` throws; `TandemError` when the kernel refuses what a hub needs.
    public static func run<Success: Sendable>(
        _ configuration: HubConfiguration = HubConfiguration(), _ body: @escaping @Sendable () async throws -> Success
    ) throws -> Success {
        let hub = try Hub(configuration: configuration)
        let outcome = Event<Success>()
        Task(executorPreference: hub) {
            do { outcome.send(try await body()) } catch { outcome.fail(error) }
            hub.requestStop()
        }
        hub.runLoop()
        return try outcome.outcome!.get()
    }

    /// Starts an async task on this hub, from any thread. A hub that stops cancels it and waits for it. Cancelled before its
    /// first step, `body` never runs.
    ///
    /// Use this where `Task { }` would be used elsewhere: `Task { }` and `Task.detached` leave the hub.
    ///
    /// - Parameters:
    ///   - name: Who this is, in messages.
    ///   - delay: How long it waits, at least, before it starts.
    @discardableResult
    public func spawn<Success: Sendable>(
        name: GreenThreadName = "task", after delay: Duration = .zero, _ body: @escaping @Sendable () async throws -> Success
    ) -> Task<Success, any Error> {
        Task(executorPreference: self) { try await self.registered(name, after: delay, body) }
    }

    /// Runs `body` listed among the tasks that stopping this hub cancels. A task that comes too late never starts.
    private func registered<Success>(
        _ name: GreenThreadName, after delay: Duration, _ body: () async throws -> Success
    ) async throws -> Success {
        try register(name)
        defer { unregister() }
        if delay > .zero { try await sleep(for: delay) }
        return try await body()
    }

    /// As `registered`, on a green stack. Returns why `body` never ran, when it did not. Owns `body` until then.
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
    }

    /// One that outlived its hub ends elsewhere, where the hub's list is out of reach.
    private func unregister() {
        if isCurrent { tasks.remove(tandem_current_task()!) }
    }
}
