internal import CTandem

extension Hub {
    /// The maximum time for which one piece of code may hold this hub before the watchdog reports it, at least 2 ms; nil turns
    /// the watchdog off for this hub. Initially `HubConfiguration.stallThreshold`. A new value takes effect within a second.
    ///
    /// Must be used on this hub's thread.
    public var stallThreshold: Duration? {
        get {
            preconditionOnThread()
            return watch?.threshold
        }
        set {
            preconditionOnThread()
            guard newValue != watch?.threshold else { return }
            watch?.end()
            watch = newValue.map { HubWatch(self, threshold: $0) }
        }
    }
}

/// The registration of one hub with the watchdog. Must be created and ended on the hub's thread.
struct HubWatch {
    /// The maximum time for which one piece of code may hold the hub.
    let threshold: Duration
    private let key: Int
    private let forbadeInterrupts: Bool

    init(_ hub: Hub, threshold: Duration) {
        self.threshold = threshold
        let (configuration, index) = (hub.configuration, hub.index)
        forbadeInterrupts = tandem_pulse_allow_interrupts(true)
        key = Watchdog.shared.add(hub.pulse, threshold: threshold) { kind, message, stack in
            HubReport(kind, configuration, index: index, message, stack: stack).deliver(configuration)
        }
    }

    /// Ends the registration. After it has returned, the watchdog no longer looks at the hub.
    func end() {
        Watchdog.shared.remove(key)
        if forbadeInterrupts { _ = tandem_pulse_allow_interrupts(false) }
    }
}
