/// A handler that is called once at the end of the hub's present turn: after the turn's ready jobs and timers, before the hub
/// asks the kernel or sleeps.
///
/// For work that is done once for everything in a turn, such as sending the answers that the turn has buffered. Arming costs a
/// few instructions: no allocation, no reading of the clock, no system call.
///
/// A `TurnEnd` belongs to one hub. All calls must be made on that hub's thread.
package final class TurnEnd {
    private let hub: Hub
    private let handler: () -> Void
    @exclusivity(unchecked) fileprivate var isArmed = false
    @exclusivity(unchecked) fileprivate var previous: Unmanaged<TurnEnd>?
    @exclusivity(unchecked) fileprivate var next: Unmanaged<TurnEnd>?

    /// Creates a `TurnEnd` that is not armed. The handler runs on the hub's own stack: it must not block, and may spawn. A
    /// `TurnEnd` that a handler arms, also its own, is called at the end of the next turn, which the hub begins without sleeping.
    package init(on hub: Hub, _ handler: @escaping () -> Void) {
        self.hub = hub
        self.handler = handler
    }

    /// Arms the handler for the end of this turn. Handlers run in the order in which they were armed. Does nothing if already
    /// armed, and after the hub has ended.
    package func arm() {
        guard !isArmed, !hub.hasEnded else { return }
        hub.turnEnds.append(self)
    }

    /// Disarms the handler, as releasing the last reference does. Does nothing if not armed.
    package func disarm() {
        // After the hub has ended there is nothing to disarm, and the caller may be on another thread.
        guard isArmed, !hub.hasEnded else { return }
        hub.turnEnds.remove(self)
    }

    deinit { disarm() }

    func fire() { handler() }
}

/// The armed handlers in order, as a list that is linked through the objects and does not retain them.
final class TurnEndList {
    @exclusivity(unchecked) private var first: Unmanaged<TurnEnd>?
    @exclusivity(unchecked) private var last: Unmanaged<TurnEnd>?
    @exclusivity(unchecked) private var count = 0

    var isEmpty: Bool { first == nil }

    func append(_ end: TurnEnd) {
        let node = Unmanaged.passUnretained(end)
        end.isArmed = true
        end.previous = last
        if let last { last._withUnsafeGuaranteedRef { $0.next = node } } else { first = node }
        last = node
        count += 1
    }

    func remove(_ end: TurnEnd) {
        if let previous = end.previous { previous._withUnsafeGuaranteedRef { $0.next = end.next } } else { first = end.next }
        if let next = end.next { next._withUnsafeGuaranteedRef { $0.previous = end.previous } } else { last = end.previous }
        (end.isArmed, end.previous, end.next) = (false, nil, nil)
        count -= 1
    }

    private func popFirst() -> TurnEnd? {
        guard let end = first?.takeUnretainedValue() else { return nil }
        remove(end)
        return end
    }

    /// Calls the armed handlers, without those that they arm meanwhile.
    func fire() {
        for _ in 0..<count { popFirst()?.fire() }
    }
}
