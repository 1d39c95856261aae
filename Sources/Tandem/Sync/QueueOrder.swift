/// Which item of a `Queue` leaves first.
public struct QueueOrder<Element: Sendable>: Sendable {
    typealias Precedes = @Sendable (Element, Element) -> Bool
    enum Kind { case fifo, lifo, priority(Precedes) }
    let kind: Kind

    /// The item that came first.
    public static var fifo: QueueOrder { QueueOrder(kind: .fifo) }

    /// The item that came last.
    public static var lifo: QueueOrder { QueueOrder(kind: .lifo) }

    /// The item that precedes all others; among equals the one that came first.
    ///
    /// - Parameter precedes: A strict weak ordering. Runs under the queue's lock: it must not use the queue.
    public static func priority(by precedes: @escaping @Sendable (Element, Element) -> Bool) -> QueueOrder {
        QueueOrder(kind: .priority(precedes))
    }
}

extension QueueOrder where Element: Comparable {
    /// The smallest item; among equals the one that came first.
    public static var smallestFirst: QueueOrder { .priority { $0 < $1 } }
}
