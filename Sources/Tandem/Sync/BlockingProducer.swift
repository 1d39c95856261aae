/// What blocking code produces, read as an `AsyncSequence`.
///
///     for try await row in BlockingProducer<Row>(capacity: 16, { send in
///         while let row = try cursor.fetch() { try send(row) }
///     }) { ... }
///
/// Each loop over it starts the body on a green thread of its own, on the reader's hub. When the body returns, the loop
/// ends; when it throws, the loop gets what was sent before and then throws that error. When the reader leaves the loop or
/// is cancelled, the body's call that waits throws `CancellationError`, and the next `send` throws `TandemError` `closed`.
public struct BlockingProducer<Element: Sendable>: AsyncSequence, Sendable {
    /// Sends one element; parks the green thread while the reader is `capacity` elements behind.
    public typealias Send = (Element) throws -> Void

    private let capacity: Int
    private let body: @Sendable (Send) throws -> Void

    /// - Parameter capacity: How many elements may lie between the body and its reader. With 0, `send` waits until the
    ///   element was taken.
    /// - Precondition: `capacity` is not negative.
    public init(capacity: Int = 1, _ body: @escaping @Sendable (Send) throws -> Void) {
        precondition(capacity >= 0, "a BlockingProducer's capacity is 0 or more, not \(capacity)")
        self.capacity = capacity
        self.body = body
    }

    /// Starts the body.
    public func makeAsyncIterator() -> Iterator { Iterator(run: Run(capacity, body)) }

    /// Reads a `BlockingProducer`.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let run: Run

        /// The next element; nil when the body has returned and all were read. Throws what the body threw, or
        /// `CancellationError`.
        public mutating func next() async throws -> Element? {
            var elements = run.queue.makeAsyncIterator()
            return try await elements.next()
        }
    }

    /// One run of the body; ends with the iterator.
    fileprivate final class Run: Sendable {
        let queue: Queue<Element>
        private let thread: GreenThread<Void>

        init(_ capacity: Int, _ body: @escaping @Sendable (Send) throws -> Void) {
            let queue = Queue<Element>(capacity: capacity)
            self.queue = queue
            thread = GreenThread(name: "producer") { try body { try queue.put($0) } }
            thread.onCompletion { outcome in
                switch outcome {
                case .success: queue.close()
                case .failure(let error): queue.close(throwing: error)
                }
            }
        }

        deinit {
            queue.close(discarding: true)
            thread.cancel()
        }
    }
}
