internal import CTandem

extension Hub {
    /// How long one piece of code may hold this hub before the watchdog reports it; nil for never. At first what
    /// `HubConfiguration.stallThreshold` says; another value is in force at once, or, where the watchdog slept, within a second.
    ///
    /// On this hub's thread.
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

/// The watchdog's look after one hub, for as long as the hub runs. Begun and ended on the hub's thread.
struct HubWatch {
    /// How long one piece of code may hold the hub.
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

    /// Nothing is looked at any more when this has returned.
    func end() {
        Watchdog.shared.remove(key)
        if forbadeInterrupts { _ = tandem_pulse_allow_interrupts(false) }
    }
}
