internal import CTandem

extension Hub {
    /// Looks from another thread at what holds this hub now, for when it answers no more: as the watchdog does.
    ///
    /// Blocks the caller for up to 50 ms; not on this hub's thread.
    ///
    /// - Returns: nil when the hub waits for something to do, has ended, or has no watchdog (`stallThreshold`),
    ///   which is what makes it safe to look.
    public func sighting() -> HubReport? {
        precondition(!isCurrent, "a hub cannot look at itself from outside: use dump()")
        guard !hasEnded, !tandem_pulse_is_polling(pulse), let seen = Watchdog.shared.sight(pulse) else { return nil }
        return HubReport(
            .stalled, configuration, index: index, "does not answer: \(seen.holder) holds it and \(seen.doing)", stack: seen.stack
        )
    }
}
