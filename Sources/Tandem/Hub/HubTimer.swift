internal import CTandem

/// Calls a handler on the hub when a time has come. Armed again and again; at most one deadline at a time.
///
/// Belongs to one hub; every call is made on that hub's thread.
public final class HubTimer {
    let hub: Hub
    private let wait: Wait
    private let handler: () -> Void

    /// The handler runs on the hub's own stack: it must not block, and may spawn.
    public init(on hub: Hub, handler: @escaping () -> Void) {
        hub.preconditionOnThread()
        self.hub = hub
        self.handler = handler
        wait = hub.beginWait(deadline: .never, for: "timer")
        wait.pointee.timer = Unmanaged.passUnretained(self).toOpaque()
    }

    /// Sets the deadline, in place of an earlier one. A deadline that has passed fires at the next turn.
    public func arm(_ deadline: Deadline) {
        disarm()
        if deadline != .never { hub.arm(wait, deadline) }
    }

    /// Forgets the deadline. Harmless when there is none.
    public func disarm() {
        // What outlives its hub has nothing to disarm, and may be on another thread.
        guard !hub.hasEnded else { return }
        if wait.pointee.heap_position != 0 { hub.timers.remove(wait) }
    }

    func fire() { handler() }

    deinit {
        guard !hub.hasEnded else { return }
        wait.pointee.timer = nil
        _ = hub.finishWait(wait)
    }
}
