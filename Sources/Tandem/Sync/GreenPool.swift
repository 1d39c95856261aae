internal import Synchronization

/// A limit on how many green threads run at once: `spawn` waits for a free slot.
///
/// Works from green threads, async code and ordinary OS threads at once, on any hub. A slot is free again whichever way
/// its member ends, and goes to the caller that has waited longest.
///
/// A member may spawn into its own pool: when the pool is full, the new body runs inline, in the caller's task, before
/// `spawn` returns; waiting could wait for ever, for itself. What a member starts in turn (through task-locals: also in
/// other pools) counts as within it.
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

        /// No slot is free while somebody waits for one, so with none taken nobody waits, unless the limit is 0.
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

    /// - Parameters:
    ///   - limit: How many members may run at once.
    ///   - hub: Where they run; by default on the hub of each caller of `spawn`, or for callers on none, one of the shared
    ///     group's.
    /// - Precondition: `limit` is not negative. With 0, all wait until `resize`.
    public init(limit: Int, on hub: Hub? = nil) {
        precondition(limit >= 0, "a GreenPool's limit is 0 or more, not \(limit)")
        state = Mutex(State(limit: limit))
        self.hub = hub
    }

    // MARK: Spawn

    /// Starts `body` on a green thread as soon as there is a free slot, and returns without waiting for its end.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, while it waits for a slot; then `body` never runs. What
    ///   `body` throws, the member's `wait` throws.
    @discardableResult
    public func spawn<Success: Sendable>(
        name: GreenThreadName = "pool member", deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> GreenThread<Success> {
        if let member = trySpawn(name: name, body) { return member }
        if encloses { return GreenThread(name: name, endedWith: await blocking(name: name) { Result(catching: body) }) }
        try await state.waitInLine(
            deadline, "GreenPool.spawn", enter: { $0.enter(orEnlist: $1) }, leave: { $0.spawners.remove($1) })
        return start(name, body)
    }

    /// As the async form; parks the green thread (or blocks the OS thread) while the pool is full. Also throws
    /// `TandemError` `notOnGreenThread`.
    @available(*, noasync)
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

    /// Starts `body` if there is a free slot; nil when there is none. Never waits; legal everywhere, also on a hub's own
    /// stack.
    public func trySpawn<Success: Sendable>(
        name: GreenThreadName = "pool member", _ body: @escaping @Sendable () throws -> Success
    ) -> GreenThread<Success>? {
        state.withLock { $0.enter(orEnlist: nil) } != nil ? start(name, body) : nil
    }

    /// Starts `body` in the slot that the caller has taken.
    private func start<Success: Sendable>(
        _ name: GreenThreadName, _ body: @escaping @Sendable () throws -> Success
    ) -> GreenThread<Success> {
        let hub = hub ?? Hub.current ?? HubGroup.shared.nextHub()
        // Once is enough: members that start their successors, without end, must not make it longer and longer.
        let member = GreenPool.$enclosing.withValue(encloses ? GreenPool.enclosing : GreenPool.enclosing + [self]) {
            GreenThread(name: name, on: hub, body)
        }
        // Before anybody who waits for it goes on, and also when the body never ran.
        member.completion.link { _ in self.leave() }
        return member
    }

    /// Gives a slot back.
    private func leave() {
        state.withLock { state in
            state.running -= 1
            state.admitSpawners()
            if state.running == 0 { state.idlers.endAll(.success(())) }
        }
    }

    private var encloses: Bool { GreenPool.enclosing.contains { $0 === self } }

    // MARK: Wait

    /// Suspends until no member runs and, with a limit above 0, nobody waits to spawn one. At once when that is so.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`; `wrongTask` when called within a member, which would
    ///   wait for itself. Not what members throw: their own `wait` does.
    public func waitAll(deadline: Deadline = .never) async throws {
        try checkNotMember()
        try await state.waitInLine(
            deadline, "GreenPool.waitAll", enter: { $0.idle(orEnlist: $1) }, leave: { $0.idlers.remove($1) })
    }

    /// As the async form; parks the green thread (or blocks the OS thread). Also throws `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    public func waitAll(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try checkNotMember()
        try state.waitInLine(
            deadline, "GreenPool.waitAll", file, line,
            enter: { $0.idle(orEnlist: $1) }, leave: { $0.idlers.remove($1) })
    }

    private func checkNotMember() throws(TandemError) {
        guard encloses else { return }
        throw TandemError(
            .wrongTask, "GreenPool.waitAll was called within a member of the pool, which would wait for itself; call it outside")
    }

    // MARK: Counts

    /// How many members run; those that run inline are not counted. Any thread.
    public var running: Int { state.withLock { $0.running } }

    /// How many callers wait to spawn. Any thread.
    public var waiting: Int { state.withLock { $0.spawners.count } }

    /// How many members may run at once. Any thread.
    public var limit: Int { state.withLock { $0.limit } }

    /// Changes the limit, from any thread. Growing lets waiting callers in; shrinking lets those run out that run.
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
