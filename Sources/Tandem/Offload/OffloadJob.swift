/// One call of `OffloadPool.run`, without its type.
struct OffloadJob: Sendable {
    /// Runs the body, calls `hasEnded`, and only then wakes the caller: who has been answered finds the pool's counts settled.
    let run: @Sendable (_ hasEnded: () -> Void) -> Void
    /// Answers the caller without running the body.
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
