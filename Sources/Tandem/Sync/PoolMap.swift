extension GreenPool {
    /// Applies `transform` to each input on a separate member, up to `limit` at once, and returns the results in the order of
    /// the inputs.
    ///
    /// The map is lazy: it takes inputs as results are requested, at most `limit` ahead, so its memory does not grow with the
    /// number of inputs.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
    #endif
    public func map<Inputs: Sequence, Output: Sendable>(
        _ inputs: Inputs, _ transform: @escaping @Sendable (Inputs.Element) throws -> Output
    ) -> PoolMap<Inputs, Output> where Inputs.Element: Sendable {
        PoolMap(pool: self, inputs: inputs.makeIterator(), transform: transform)
    }
}

/// The results of `GreenPool.map`, in the order of the inputs. Read them with `next`, or with `for` in async code.
///
/// An error of `transform` is thrown at its position; the following `next` returns the next result. If a `next` is cancelled or
/// times out, its position is not lost. Members that run when the map is dropped continue.
public struct PoolMap<Inputs: Sequence, Output: Sendable>: AsyncSequence, AsyncIteratorProtocol
where Inputs.Element: Sendable {
    let pool: GreenPool
    var inputs: Inputs.Iterator
    let transform: @Sendable (Inputs.Element) throws -> Output
    /// An input that was taken and has no slot yet.
    private var pending: Inputs.Element?
    private var members: [GreenThread<Output>] = []

    init(pool: GreenPool, inputs: Inputs.Iterator, transform: @escaping @Sendable (Inputs.Element) throws -> Output) {
        self.pool = pool
        self.inputs = inputs
        self.transform = transform
    }

    /// Returns an iterator that continues at this value's position.
    public func makeAsyncIterator() -> PoolMap { self }

    /// Returns the next result, or nil at the end. Throws the error of its `transform`, or `CancellationError`.
    public mutating func next() async throws -> Output? { try await next(deadline: .never) }

    /// Returns the next result, or nil at the end. Throws the error of its `transform`, or `CancellationError`, or `TandemError`
    /// `timedOut`.
    public mutating func next(deadline: Deadline) async throws -> Output? {
        startThoseWithSlots()
        if members.isEmpty, let body = body() {
            members.append(try await pool.spawn(deadline: deadline, body))
            pending = nil
        }
        guard let first = members.first else { return nil }
        do {
            _ = try await first.wait(deadline: deadline)
        } catch {
            // If the member still runs, this error is of the wait, not of the member, which keeps its position.
            if !first.isFinished { throw error }
        }
        members.removeFirst()
        return try first.outcome!.get()
    }

    /// Returns the next result, or nil at the end; parks the green thread (or blocks the OS thread). Otherwise the same as the
    /// async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public mutating func next(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Output? {
        startThoseWithSlots()
        if members.isEmpty, let body = body() {
            members.append(try pool.spawn(deadline: deadline, file: file, line: line, body))
            pending = nil
        }
        guard let first = members.first else { return nil }
        do {
            _ = try first.wait(deadline: deadline, file: file, line: line)
        } catch {
            // If the member still runs, this error is of the wait, not of the member, which keeps its position.
            if !first.isFinished { throw error }
        }
        members.removeFirst()
        return try first.outcome!.get()
    }

    /// Starts members while slots are free. `next` waits for a slot only if no member runs: otherwise there will be a result to
    /// return.
    private mutating func startThoseWithSlots() {
        while members.count < pool.limit, let body = body(), let member = pool.trySpawn(body) {
            members.append(member)
            pending = nil
        }
    }

    /// Returns the closure to run for the next input; nil if there are no more inputs.
    private mutating func body() -> (@Sendable () throws -> Output)? {
        if pending == nil { pending = inputs.next() }
        guard let input = pending else { return nil }
        return { [transform] in try transform(input) }
    }
}
