internal import CTandem

extension Hub {
    /// Reports the code that holds this hub now, as the watchdog would. For hubs that do not respond.
    ///
    /// Call it from another thread than the hub's. It blocks the caller for up to 50 ms.
    ///
    /// - Returns: nil if the hub waits for work, has ended, or has no `stallThreshold`: only a hub with a watchdog can be
    ///   inspected safely.
    public func sighting() -> HubReport? {
        precondition(!isCurrent, "sighting() cannot be called on the hub's own thread: use dump()")
        guard !hasEnded, !tandem_pulse_is_polling(pulse), let seen = Watchdog.shared.sight(pulse) else { return nil }
        return HubReport(
            .stalled, configuration, index: index, "does not answer: \(seen.holder) holds it and \(seen.doing)", stack: seen.stack
        )
    }
}
