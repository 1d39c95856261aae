internal import Synchronization

/// A limit on how many green threads run at once: `spawn` waits for a free slot.
///
/// May be used from green threads, async code and ordinary OS threads at once, on any hub. A slot becomes free however its member
/// ends, and goes to the caller that has waited longest.
///
/// A member may spawn into its own pool. If the pool is full, the new body runs inline, in the caller's task, before `spawn`
/// returns: waiting for a slot could mean to wait for itself. Tasks and green threads that a member starts count as within the
/// member, also in other pools, because task-locals are inherited.
public final class GreenPool: Sendable {
    private struct State {
        var limit: Int
        var running = 0
        var spawners = WaitList<Void>()
        var idlers = WaitList<Void>()

        mutating func enter(orEnlist spawner: Waiter<Void>?) -> Void? {
            guard running >= limit else {
                running += 1
                return ()
            }
            if let spawner { spawners.append(spawner) }
            return nil
        }

        mutating func admitSpawners() {
            while running < limit, let spawner = spawners.popFirst() {
                running += 1
                spawner.end(.success(()))
            }
        }

        /// A slot is never free while a caller waits for one. So if no slot is taken, no caller waits, unless the limit is 0.
        mutating func idle(orEnlist idler: Waiter<Void>?) -> Void? {
            guard running > 0 else { return () }
            if let idler { idlers.append(idler) }
            return nil
        }
    }

    /// The pools within whose members the task runs, each once.
    @TaskLocal private static var enclosing: [GreenPool] = []

    private let state: Mutex<State>
    private let hub: Hub?

    /// Creates a pool.
    ///
    /// - Parameters:
    ///   - limit: The maximum number of members that run at once. With 0, all callers wait until `resize`.
    ///   - hub: The hub on which members run. By default the hub of each caller of `spawn`; for callers on no hub, one of the
    ///     shared group.
    /// - Precondition: `limit` is not negative.
    public init(limit: Int, on hub: Hub? = nil) {
        precondition(limit >= 0, "a GreenPool's limit is 0 or more, not \(limit)")
        state = Mutex(State(limit: limit))
        self.hub = hub
    }

    // MARK: Spawn

    /// Starts `body` on a green thread as soon as a slot is free, and returns without waiting for its end.
    ///
    /// - Parameters:
    ///   - name: The name of the green thread, for dumps and messages.
    ///   - deadline: The time at which the wait for a slot gives up.
    ///   - body: The blocking code.
    /// - Returns: The member. Its `wait` throws the error of `body`.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, while waiting for a slot; then `body` never runs.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
    #endif
    @discardableResult
    public func spawn<Success: Sendable>(
        name: GreenThreadName = "pool member", deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> GreenThread<Success> {
        if let member = trySpawn(name: name, body) { return member }
        if encloses { return GreenThread(name: name, endedWith: await blocking(name: name, line: 0) { Result(catching: body) }) }
        try await state.waitInLine(
            deadline, "GreenPool.spawn", enter: { $0.enter(orEnlist: $1) }, leave: { $0.spawners.remove($1) })
        return start(name, body)
    }

    /// Starts `body` on a green thread; parks the calling green thread (or blocks the OS thread) while the pool is full.
    /// Otherwise the same as the async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
    #endif
    @discardableResult
    public func spawn<Success: Sendable>(
        name: GreenThreadName = "pool member", deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line,
        _ body: @escaping @Sendable () throws -> Success
    ) throws -> GreenThread<Success> {
        if let member = trySpawn(name: name, body) { return member }
        if encloses {
            _ = try currentFiber("GreenPool.spawn", file, line)
            return GreenThread(name: name, endedWith: Result(catching: body))
        }
        try state.waitInLine(
            deadline, "GreenPool.spawn", file, line,
            enter: { $0.enter(orEnlist: $1) }, leave: { $0.spawners.remove($1) })
        return start(name, body)
    }

    /// Starts `body` if a slot is free, or returns nil. Never waits. Allowed everywhere, also on a hub's own stack.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
    #endif
    public func trySpawn<Success: Sendable>(
        name: GreenThreadName = "pool member", _ body: @escaping @Sendable () throws -> Success
    ) -> GreenThread<Success>? {
        state.withLock { $0.enter(orEnlist: nil) } != nil ? start(name, body) : nil
    }

    /// Starts `body` in the slot that the caller has taken.
    private func start<Success: Sendable>(
        _ name: GreenThreadName, _ body: @escaping @Sendable () throws -> Success
    ) -> GreenThread<Success> {
        let hub = hub ?? .forCaller
        // Listed once per pool: if members start their successors without end, the list must not grow.
        let member = GreenPool.$enclosing.withValue(encloses ? GreenPool.enclosing : GreenPool.enclosing + [self]) {
            GreenThread(name: name, on: hub, body)
        }
        // The slot becomes free before waiters of the member continue, and also if the body never ran.
        member.completion.link { _ in self.leave() }
        return member
    }

    /// Gives a slot back, and wakes the callers that now can continue.
    private func leave() {
        state.withLock { state in
            state.running -= 1
            state.admitSpawners()
            if state.running == 0 { state.idlers.endAll(.success(())) }
        }
    }

    private var encloses: Bool { GreenPool.enclosing.contains { $0 === self } }

    // MARK: Wait

    /// Suspends until no member runs and, with a limit above 0, no caller waits to spawn one. Returns at once if that is already
    /// so.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`; `wrongTask` if called within a member, which would wait for
    ///   itself. Errors of members are thrown only by their own `wait`.
    public func waitAll(deadline: Deadline = .never) async throws {
        try checkNotMember()
        try await state.waitInLine(
            deadline, "GreenPool.waitAll", enter: { $0.idle(orEnlist: $1) }, leave: { $0.idlers.remove($1) })
    }

    /// Waits until no member runs; parks the green thread (or blocks the OS thread). Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func waitAll(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try checkNotMember()
        try state.waitInLine(
            deadline, "GreenPool.waitAll", file, line,
            enter: { $0.idle(orEnlist: $1) }, leave: { $0.idlers.remove($1) })
    }

    private func checkNotMember() throws(TandemError) {
        guard encloses else { return }
        throw TandemError(
            .wrongTask, "GreenPool.waitAll was called within a member of the pool, which would wait for itself: call it outside")
    }

    // MARK: Counts

    /// The number of members that run, without those that run inline. Any thread.
    public var running: Int { state.withLock { $0.running } }

    /// The number of callers that wait to spawn. Any thread.
    public var waiting: Int { state.withLock { $0.spawners.count } }

    /// The maximum number of members that run at once. Any thread.
    public var limit: Int { state.withLock { $0.limit } }

    /// Changes the limit. Any thread. A higher limit admits waiting callers. A lower one does not affect members that already
    /// run.
    ///
    /// - Precondition: `limit` is not negative.
    public func resize(limit: Int) {
        precondition(limit >= 0, "a GreenPool's limit is 0 or more, not \(limit)")
        state.withLock { state in
            state.limit = limit
            state.admitSpawners()
        }
    }
}
