internal import CTandem

/// The registration of one hub with the watchdog. Must be used on the hub's thread.
final class HubWatch {
    /// The hub's entry in the watchdog.
    private struct Registration {
        let threshold: Duration
        let key: Int
        let forbadeInterrupts: Bool
    }

    private let pulse: UnsafeMutablePointer<tandem_pulse>
    private let recorder: FlightRecorder
    private let configuration: HubConfiguration
    private let index: Int
    private var registration: Registration?

    init(
        _ pulse: UnsafeMutablePointer<tandem_pulse>, _ recorder: FlightRecorder, _ configuration: HubConfiguration, index: Int
    ) {
        self.pulse = pulse
        self.recorder = recorder
        self.configuration = configuration
        self.index = index
    }

    /// The maximum time for which one piece of code may hold the hub; nil while the hub is not watched.
    var threshold: Duration? {
        get { registration?.threshold }
        set {
            guard newValue != registration?.threshold else { return }
            end()
            if let newValue { begin(newValue) }
        }
    }

    private func begin(_ threshold: Duration) {
        let (configuration, index) = (configuration, index)
        let forbadeInterrupts = tandem_pulse_allow_interrupts(true)
        let key = Watchdog.shared.add(pulse, recorder, threshold: threshold) { seen in
            let (kind, message): (HubReport.Kind, String) =
                switch seen.phase {
                case .began(let doing, _, _): (.stalled, "\(seen.holder) has held the hub for \(seen.held) and \(doing)")
                case .ended: (.stallEnded, "\(seen.holder) released the hub after \(seen.held)")
                }
            HubReport(
                kind, configuration, index: index, message, stack: seen.stack, holder: seen.holder, held: seen.held,
                before: seen.before?.lines ?? []
            ).deliver(configuration)
        }
        registration = Registration(threshold: threshold, key: key, forbadeInterrupts: forbadeInterrupts)
    }

    /// Ends the registration. After it has returned, the watchdog no longer looks at the hub.
    func end() {
        guard let ended = registration.take() else { return }
        Watchdog.shared.remove(ended.key)
        if ended.forbadeInterrupts { _ = tandem_pulse_allow_interrupts(false) }
    }
}

extension Hub {
    /// The maximum time for which one piece of code may hold this hub before the watchdog reports it, at least 2 ms; nil turns
    /// the watchdog off for this hub. Initially `HubConfiguration.stallThreshold`. A new value takes effect within a second.
    ///
    /// Must be used on this hub's thread.
    public var stallThreshold: Duration? {
        get {
            preconditionOnThread()
            return watch.threshold
        }
        set {
            preconditionOnThread()
            watch.threshold = newValue
        }
    }

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
            .stalled, configuration, index: index, "does not answer: \(seen.holder) holds it and \(seen.doing)",
            stack: seen.stack,
            holder: seen.holder)
    }
}
