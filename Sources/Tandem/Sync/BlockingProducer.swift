/// An `AsyncSequence` of the elements that blocking code sends.
///
///     for try await row in BlockingProducer<Row>(capacity: 16, { send in
///         while let row = try cursor.fetch() { try send(row) }
///     }) { ... }
///
/// Each loop starts the body on a separate green thread, on the reader's hub. When the body returns, the loop ends. When it
/// throws, the loop gets the elements sent before, then throws that error. When the reader leaves the loop or is cancelled, the
/// body's waiting call throws `CancellationError`, and the next `send` throws `TandemError` `closed`.
public struct BlockingProducer<Element: Sendable>: AsyncSequence, Sendable {
    /// Sends one element. Parks the green thread while the reader is `capacity` elements behind.
    public typealias Send = (Element) throws -> Void

    private let capacity: Int
    private let body: @Sendable (Send) throws -> Void

    /// Creates a sequence. The body starts when a loop begins to read.
    ///
    /// - Parameters:
    ///   - capacity: The maximum number of elements that the body may be ahead of its reader. With 0, `send` waits until the
    ///     reader has taken the element.
    ///   - body: The blocking code. It sends elements with the closure that it gets.
    /// - Precondition: `capacity` is not negative.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "bridge to blocking code: make the code below it async [migration: bridge to blocking]")
    #endif
    public init(capacity: Int = 1, _ body: @escaping @Sendable (Send) throws -> Void) {
        precondition(capacity >= 0, "a BlockingProducer's capacity is 0 or more, not \(capacity)")
        self.capacity = capacity
        self.body = body
    }

    /// Starts the body on a green thread and returns an iterator over its elements.
    public func makeAsyncIterator() -> Iterator { Iterator(run: Run(capacity, body)) }

    /// The iterator of a `BlockingProducer`. Cancels the body when its last copy is dropped.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate let run: Run

        /// Returns the next element; nil when the body has returned and all elements were read. Throws the error of the body, or
        /// `CancellationError`.
        public mutating func next() async throws -> Element? {
            var elements = run.queue.makeAsyncIterator()
            return try await elements.next()
        }
    }

    /// One run of the body. It is cancelled when the last copy of its iterator is dropped.
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
