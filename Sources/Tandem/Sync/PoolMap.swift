extension GreenPool {
    /// Applies `transform` to each input on a member of its own, at most `limit` at once, and gives the results in the
    /// order of the inputs.
    ///
    /// Lazy: inputs are taken as results are asked for, at most `limit` ahead, so memory does not grow with their number.
    public func map<Inputs: Sequence, Output: Sendable>(
        _ inputs: Inputs, _ transform: @escaping @Sendable (Inputs.Element) throws -> Output
    ) -> PoolMap<Inputs, Output> where Inputs.Element: Sendable {
        PoolMap(pool: self, inputs: inputs.makeIterator(), transform: transform)
    }
}

/// The results of `GreenPool.map`, in the order of the inputs: read by `next`, or async code's `for`.
///
/// An error of `transform` is thrown at its position, and the call of `next` after it gives the result after it. A
/// `next` that is cancelled or times out itself loses no position. Members that are running when the map is dropped run on.
public struct PoolMap<Inputs: Sequence, Output: Sendable>: AsyncSequence, AsyncIteratorProtocol
where Inputs.Element: Sendable {
    let pool: GreenPool
    var inputs: Inputs.Iterator
    let transform: @Sendable (Inputs.Element) throws -> Output
    /// An input that was taken, and has no slot yet.
    private var pending: Inputs.Element?
    private var members: [GreenThread<Output>] = []

    init(pool: GreenPool, inputs: Inputs.Iterator, transform: @escaping @Sendable (Inputs.Element) throws -> Output) {
        self.pool = pool
        self.inputs = inputs
        self.transform = transform
    }

    /// Reads on from where this value stands.
    public func makeAsyncIterator() -> PoolMap { self }

    /// The next result, or nil at the end. Throws what `transform` threw for it, or `CancellationError`.
    public mutating func next() async throws -> Output? { try await next(deadline: .never) }

    /// The next result, or nil at the end. Throws what `transform` threw for it, or `CancellationError`, or `TandemError`
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
            // With the member still running, this is the error of waiting for it: it keeps its position.
            if !first.isFinished { throw error }
        }
        members.removeFirst()
        return try first.outcome!.get()
    }

    /// As the async form; parks the green thread (or blocks the OS thread). Also throws `TandemError` `notOnGreenThread`.
    @available(*, noasync)
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
            // With the member still running, this is the error of waiting for it: it keeps its position.
            if !first.isFinished { throw error }
        }
        members.removeFirst()
        return try first.outcome!.get()
    }

    /// Only with nothing under way does `next` wait for a slot: else there is a result to give meanwhile.
    private mutating func startThoseWithSlots() {
        while members.count < pool.limit, let body = body(), let member = pool.trySpawn(body) {
            members.append(member)
            pending = nil
        }
    }

    /// What to run next; nil when there are no more inputs.
    private mutating func body() -> (@Sendable () throws -> Output)? {
        if pending == nil { pending = inputs.next() }
        guard let input = pending else { return nil }
        return { [transform] in try transform(input) }
    }
}
