/// Calls a handler once, at the end of the hub's present turn: after the turn's ready jobs and timers, and before the hub asks
/// the kernel or sleeps.
///
/// For work that is done once for all that a turn brought, such as sending what several answers have buffered. Arming costs a
/// few instructions: no memory, no clock, no system call.
///
/// Belongs to one hub; every call is made on that hub's thread.
package final class TurnEnd {
    private let hub: Hub
    private let handler: () -> Void
    @exclusivity(unchecked) fileprivate var isArmed = false
    @exclusivity(unchecked) fileprivate var previous: Unmanaged<TurnEnd>?
    @exclusivity(unchecked) fileprivate var next: Unmanaged<TurnEnd>?

    /// The handler runs on the hub's own stack: it must not block, and may spawn. What it arms, itself too, comes at the end of
    /// the next turn, which the hub begins without sleeping.
    package init(on hub: Hub, _ handler: @escaping () -> Void) {
        self.hub = hub
        self.handler = handler
    }

    /// Calls the handler at the end of this turn. Handlers run in the order in which they were armed. Does nothing when armed
    /// already.
    package func arm() {
        guard !isArmed else { return }
        hub.turnEnds.append(self)
    }

    /// Forgets it, as dropping the last reference does. Harmless when not armed.
    package func disarm() {
        // What outlives its hub has nothing to disarm, and may be on another thread.
        guard isArmed, !hub.hasEnded else { return }
        hub.turnEnds.remove(self)
    }

    deinit { disarm() }

    func fire() { handler() }
}

/// Those that are armed, in the order in which they were. A list through the objects themselves, which it does not retain.
struct TurnEndList {
    private var first: Unmanaged<TurnEnd>?
    private var last: Unmanaged<TurnEnd>?
    private(set) var count = 0

    var isEmpty: Bool { first == nil }

    mutating func append(_ end: TurnEnd) {
        let node = Unmanaged.passUnretained(end)
        end.isArmed = true
        end.previous = last
        if let last { last._withUnsafeGuaranteedRef { $0.next = node } } else { first = node }
        last = node
        count += 1
    }

    mutating func remove(_ end: TurnEnd) {
        if let previous = end.previous { previous._withUnsafeGuaranteedRef { $0.next = end.next } } else { first = end.next }
        if let next = end.next { next._withUnsafeGuaranteedRef { $0.previous = end.previous } } else { last = end.previous }
        (end.isArmed, end.previous, end.next) = (false, nil, nil)
        count -= 1
    }

    mutating func popFirst() -> TurnEnd? {
        guard let end = first?.takeUnretainedValue() else { return nil }
        remove(end)
        return end
    }
}

extension Hub {
    /// Calls those that are armed, and not what they arm in turn.
    func endTurn() {
        for _ in 0..<turnEnds.count { turnEnds.popFirst()?.fire() }
    }
}
