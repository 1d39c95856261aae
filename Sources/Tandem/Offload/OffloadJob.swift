/// One call of `OffloadPool.run`, without its result type.
struct OffloadJob: Sendable {
    /// Runs the body, calls `hasEnded`, and only then wakes the caller, so that the caller finds the pool's counters up to date.
    let run: @Sendable (_ hasEnded: () -> Void) -> Void
    /// Makes the caller's wait throw, without running the body.
    let refuse: @Sendable (TandemError) -> Void

    init<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success, answering caller: Event<Success>) {
        run = { hasEnded in
            let outcome = Result(catching: body)
            hasEnded()
            switch outcome {
            case .success(let value): caller.send(value)
            case .failure(let error): caller.fail(error)
            }
        }
        refuse = { caller.fail($0) }
    }
}
