/// The order in which items leave a `Queue`.
public struct QueueOrder<Element: Sendable>: Sendable {
    typealias Precedes = @Sendable (Element, Element) -> Bool
    enum Kind { case fifo, lifo, priority(Precedes) }
    let kind: Kind

    /// First in, first out.
    public static var fifo: QueueOrder { QueueOrder(kind: .fifo) }

    /// Last in, first out.
    public static var lifo: QueueOrder { QueueOrder(kind: .lifo) }

    /// The item that precedes all others leaves first; among equal items, the one that was put first.
    ///
    /// - Parameter precedes: A strict weak ordering. It runs under the queue's lock, so it must not use the queue.
    public static func priority(by precedes: @escaping @Sendable (Element, Element) -> Bool) -> QueueOrder {
        QueueOrder(kind: .priority(precedes))
    }
}

extension QueueOrder where Element: Comparable {
    /// The smallest item leaves first; among equal items, the one that was put first.
    public static var smallestFirst: QueueOrder { .priority { $0 < $1 } }
}
