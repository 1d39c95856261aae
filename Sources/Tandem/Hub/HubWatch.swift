internal import CTandem

/// The watchdog's look after one hub, for as long as the hub runs. Begun and ended on the hub's thread.
struct HubWatch {
    private let key: Int
    private let forbadeInterrupts: Bool

    /// nil when the hub has no threshold.
    init?(_ hub: Hub) {
        guard let threshold = hub.configuration.stallThreshold else { return nil }
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
