internal import CTandem

/// A timer that calls a handler on the hub. It can be armed any number of times, and has at most one deadline at a time.
///
/// A timer belongs to one hub. All calls must be made on that hub's thread; the last reference must be dropped there too.
public final class HubTimer {
    let hub: Hub
    private let wait: Wait
    private let handler: () -> Void

    /// Creates a timer that is not armed. The handler runs on the hub's own stack: it must not block, and may spawn.
    public init(on hub: Hub, handler: @escaping () -> Void) {
        hub.preconditionOnThread()
        self.hub = hub
        self.handler = handler
        wait = hub.waits.begin(deadline: .never, for: "timer")
        wait.pointee.timer = Unmanaged.passUnretained(self).toOpaque()
    }

    /// Sets the deadline and replaces an earlier one. If it has passed, the timer fires in the next turn at the earliest.
    /// Does nothing after the hub has ended.
    public func arm(_ deadline: Deadline) {
        guard !hub.hasEnded else { return }
        disarm()
        if deadline != .never { hub.waits.arm(wait, deadline) }
    }

    /// Removes the deadline. Does nothing if there is none.
    public func disarm() {
        // After the hub has ended there is nothing to disarm, and the caller may be on another thread.
        guard !hub.hasEnded else { return }
        hub.waits.disarm(wait)
    }

    func fire() { handler() }

    deinit {
        guard !hub.hasEnded else { return }
        wait.pointee.timer = nil
        _ = hub.waits.finish(wait)
    }
}
