extension AsyncSequence {
    /// This sequence for a blocking `for` loop: parks the green thread (or blocks the OS thread) for each element.
    ///
    ///     for chunk in body.blockingElements() { try file.write(chunk.get()) }
    ///
    /// No task and no buffer: each element is asked for by the loop's own task when the loop comes to it. So cancelling the
    /// task cancels the sequence's `next`, and leaving the loop asks for no more.
    public func blockingElements(file: StaticString = #fileID, line: UInt = #line) -> BlockingElements<Self> {
        BlockingElements(iterator: makeAsyncIterator(), file: file, line: line)
    }
}

/// The elements of an `AsyncSequence`, for blocking code. Each is a `Result`, because Swift's `for` cannot throw: after a
/// failure, which may also be `CancellationError` or `TandemError` `notOnGreenThread`, comes none.
public struct BlockingElements<Base: AsyncSequence>: Sequence, IteratorProtocol {
    var iterator: Base.AsyncIterator
    let file: StaticString
    let line: UInt
    private var isOver = false

    init(iterator: Base.AsyncIterator, file: StaticString, line: UInt) {
        self.iterator = iterator
        self.file = file
        self.line = line
    }

    /// The next element, or why there is none; nil at the end. Blocking: not to be called in async code.
    public mutating func next() -> Result<Base.Element, any Error>? {
        guard !isOver else { return nil }
        if let hub = Hub.current, hub.charge() { hub.giveWay() }
        do {
            let element = try awaiting(file: file, line: line) { try await iterator.next(isolation: #isolation) }
            if element == nil { isOver = true }
            return element.map { .success($0) }
        } catch {
            isOver = true
            return .failure(error)
        }
    }
}
