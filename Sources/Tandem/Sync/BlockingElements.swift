extension AsyncSequence {
    /// Returns this sequence for a blocking `for` loop, which parks the green thread (or blocks the OS thread) for each element.
    ///
    ///     for chunk in body.blockingElements() { try file.write(chunk.get()) }
    ///
    /// There is no extra task and no buffer: the loop's own task awaits each element when the loop gets to it. So cancelling the
    /// task cancels the sequence's `next`, and no element is awaited after the loop has ended.
    #if TANDEM_MIGRATION
    @available(
        *, deprecated,
        message: "bridge to async code: make the caller async, and await the operation [migration: bridge to async]"
    )
    #endif
    public func blockingElements(file: StaticString = #fileID, line: UInt = #line) -> BlockingElements<Self> {
        BlockingElements(iterator: makeAsyncIterator(), file: file, line: line)
    }
}

/// The elements of an `AsyncSequence` for blocking code. Each is a `Result`, because Swift's `for` cannot throw. The sequence
/// ends after a failure. Failures include `CancellationError` and `TandemError` `notOnGreenThread`.
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

    /// Returns the next element or the failure; nil at the end. Blocking: must not be called directly in async code.
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
