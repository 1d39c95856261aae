internal import CTandem
internal import Synchronization

/// The thread that reports hubs that one piece of code holds for too long. There is one per process; it runs while any hub has a
/// `stallThreshold`.
///
/// It reads what each hub records about itself, and takes no part in any hub's loop.
final class Watchdog: Sendable {
    static let shared = Watchdog()

    /// A stall that the watchdog reports.
    struct Stall {
        enum Phase {
            /// The code has held the hub for longer than the threshold. `doing` says what it does.
            case began(doing: String, StackTrace?, FlightSnapshot?)
            /// The code has released the hub.
            case ended
        }

        let holder: HubReport.Holder
        let held: Duration
        let phase: Phase

        var stack: StackTrace? { if case .began(_, let stack, _) = phase { stack } else { nil } }
        var before: FlightSnapshot? { if case .began(_, _, let before) = phase { before } else { nil } }
    }

    typealias Report = @Sendable (Stall) -> Void

    // @unchecked: `pulse` and `recorder` are valid until `remove` has returned, and are used only under the lock.
    private struct Subject: @unchecked Sendable {
        let pulse: UnsafeMutablePointer<tandem_pulse>
        let recorder: FlightRecorder
        let threshold: UInt64
        let report: Report
        var beats: UInt64 = 0
        /// The time when the watchdog last saw the hub make progress.
        var alive: UInt64
        /// The code that holds the hub, once that has been reported.
        var holder: HubReport.Holder?
    }

    private struct State {
        var subjects: [Int: Subject] = [:]
        var nextKey = 0
        var isRunning = false
    }

    private let state = Mutex(State())

    /// Starts to watch a hub. Returns the key for `remove`.
    func add(
        _ pulse: UnsafeMutablePointer<tandem_pulse>, _ recorder: FlightRecorder, threshold: Duration, report: @escaping Report
    ) -> Int {
        // The pointer goes into the list, where it is used only under the lock.
        nonisolated(unsafe) let pulse = pulse
        return state.withLock { state in
            state.nextKey += 1
            state.subjects[state.nextKey] = Subject(
                pulse: pulse, recorder: recorder, threshold: max(threshold.nanosecondsClamped, 2_000_000), report: report,
                alive: tandem_real_nanoseconds())
            if !state.isRunning {
                // If the thread cannot be started, there are no reports, and the hub runs without them.
                state.isRunning = tandem_pulse_prepare() == 0 && Watchdog.startThread()
            }
            return state.nextKey
        }
    }

    /// Stops watching a hub. After it has returned, the hub's pulse is no longer read. If a stall was reported and its end was not, reports
    /// the end.
    func remove(_ key: Int) {
        guard let subject = state.withLock({ $0.subjects.removeValue(forKey: key) }), let holder = subject.holder else { return }
        let held = Duration.milliseconds(Int64(clamping: (tandem_real_nanoseconds() - subject.alive) / 1_000_000))
        subject.report(Stall(holder: holder, held: held, phase: .ended))
    }

    private static func startThread() -> Bool {
        tandem_start_watchdog_thread { _ in
            Watchdog.shared.run()
            return nil
        } == 0
    }

    private func run() {
        tandem_name_thread("tandem-watchdog")
        var tick: UInt64 = 1_000_000
        var last = tandem_real_nanoseconds()
        while true {
            tandem_pause(tick)
            let reports: [() -> Void]? = state.withLock { state in
                // Read under the lock, so that a hub that has just been added has no later time.
                let now = tandem_real_nanoseconds()
                // The process was stopped or the machine is overloaded, so the lack of progress does not mean a stall.
                let overslept = now - last > 10 * tick
                last = now
                guard let shortest = state.subjects.values.map(\.threshold).min() else {
                    state.isRunning = false
                    return nil
                }
                // A hub with a shorter threshold may be added meanwhile.
                tick = min(shortest / 2, 1_000_000_000)
                return state.subjects.keys.flatMap { key in look(&state.subjects[key]!, now, overslept) }
            }
            guard let reports else { return }
            for report in reports { report() }
        }
    }

    /// Returns the reports that are due for one hub. Called with the lock held, so that the hub does not go away.
    private func look(_ subject: inout Subject, _ now: UInt64, _ overslept: Bool) -> [() -> Void] {
        let beats = tandem_pulse_beats(subject.pulse)
        let held = Duration.milliseconds(Int64(clamping: (now - subject.alive) / 1_000_000))
        let report = subject.report
        if beats != subject.beats || tandem_pulse_is_polling(subject.pulse) {
            subject.beats = beats
            subject.alive = now
            guard let holder = subject.holder.take() else { return [] }
            return [{ report(Stall(holder: holder, held: held, phase: .ended)) }]
        }
        if overslept, subject.holder == nil { subject.alive = now }
        guard subject.holder == nil, now - subject.alive >= subject.threshold else { return [] }
        let seen = Watchdog.look(subject.pulse)
        // The hub has continued meanwhile, so the stack is not of the code that held it.
        guard tandem_pulse_beats(subject.pulse) == beats else { return [] }
        tandem_pulse_count_stall(subject.pulse)
        subject.holder = seen.holder
        let before = FlightRecorder.isRecording ? FlightSnapshot(of: subject.recorder) : nil
        return [
            { report(Stall(holder: seen.holder, held: held, phase: .began(doing: seen.doing, seen.stack, before))) }
        ]
    }

    /// The activity of a hub's thread.
    struct Sighting {
        /// The code that holds the hub: a green thread by name, or async code.
        let holder: HubReport.Holder
        let doing: String
        let stack: StackTrace?
    }

    /// Looks at the thread of a hub. Returns nil if the hub is not watched. Blocks for up to 50 ms. Must not be called on that
    /// thread.
    func sight(_ pulse: UnsafeMutablePointer<tandem_pulse>) -> Sighting? {
        nonisolated(unsafe) let pulse = pulse
        // Under the lock, because only one thread may be interrupted at a time.
        return state.withLock { state in
            state.subjects.values.contains { $0.pulse == pulse } ? Watchdog.look(pulse) : nil
        }
    }

    private static func look(_ pulse: UnsafeMutablePointer<tandem_pulse>) -> Sighting {
        var sighting = tandem_sighting()
        tandem_pulse_look(pulse, &sighting)
        let stack = withUnsafeBytes(of: sighting.addresses) {
            StackTrace($0.assumingMemoryBound(to: UInt.self)[..<sighting.count], startsWithCounter: true)
        }
        return Sighting(
            holder: sighting.name.map { .greenThread(number: Int(sighting.number), name: String(cString: $0)) } ?? .asyncCode,
            doing: sighting.is_running ? "runs" : "is blocked in a system call", stack: stack.addresses.isEmpty ? nil : stack)
    }
}
