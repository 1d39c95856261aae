internal import CTandem
internal import Synchronization

/// The thread that reports hubs which one piece of code holds for too long. One for the process, while a hub that sets
/// `HubConfiguration.stallThreshold` runs.
///
/// It reads what each hub notes of itself and takes no part in any hub's loop.
final class Watchdog: Sendable {
    static let shared = Watchdog()

    typealias Report = @Sendable (HubReport.Kind, String, StackTrace?) -> Void

    // @unchecked: `pulse` is valid until `remove` has returned, and is used under the lock.
    private struct Subject: @unchecked Sendable {
        let pulse: UnsafeMutablePointer<tandem_pulse>
        let threshold: UInt64
        let report: Report
        var beats: UInt64 = 0
        /// When the watchdog last saw it alive.
        var alive: UInt64
        /// Who holds it, once that has been reported.
        var holder: String?
    }

    private struct State {
        var subjects: [Int: Subject] = [:]
        var nextKey = 0
        var isRunning = false
    }

    private let state = Mutex(State())

    /// Watches a hub until `remove` is called with the key that this returns.
    func add(
        _ pulse: UnsafeMutablePointer<tandem_pulse>, threshold: Duration,
        report: @escaping Report
    ) -> Int {
        // The pointer goes into the list, where it is used under the lock.
        nonisolated(unsafe) let pulse = pulse
        return state.withLock { state in
            state.nextKey += 1
            state.subjects[state.nextKey] = Subject(
                pulse: pulse, threshold: max(threshold.nanosecondsClamped, 2_000_000), report: report,
                alive: tandem_real_nanoseconds())
            if !state.isRunning {
                // No thread, no reports: the service matters more than who watches it.
                state.isRunning = tandem_pulse_prepare() == 0 && Watchdog.startThread()
            }
            return state.nextKey
        }
    }

    /// Forgets the hub; its pulse is not looked at any more.
    func remove(_ key: Int) { state.withLock { _ = $0.subjects.removeValue(forKey: key) } }

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
                // Under the lock: a hub that has just been added is then never alive after now.
                let now = tandem_real_nanoseconds()
                // The process was stopped, or the machine is overloaded: what others have not done meanwhile says nothing.
                let overslept = now - last > 10 * tick
                last = now
                guard let shortest = state.subjects.values.map(\.threshold).min() else {
                    state.isRunning = false
                    return nil
                }
                // A hub may come, or be given another threshold, that is shorter.
                tick = min(shortest / 2, 1_000_000_000)
                return state.subjects.keys.flatMap { key in look(&state.subjects[key]!, now, overslept) }
            }
            guard let reports else { return }
            for report in reports { report() }
        }
    }

    /// What there is to say about one hub now. Called with the lock held, so that the hub does not go away.
    private func look(_ subject: inout Subject, _ now: UInt64, _ overslept: Bool) -> [() -> Void] {
        let beats = tandem_pulse_beats(subject.pulse)
        let held = Duration.milliseconds(Int64(clamping: (now - subject.alive) / 1_000_000))
        let report = subject.report
        if beats != subject.beats || tandem_pulse_is_polling(subject.pulse) {
            subject.beats = beats
            subject.alive = now
            guard let holder = subject.holder.take() else { return [] }
            return [{ report(.stallEnded, "\(holder) has let the hub go after \(held)", nil) }]
        }
        if overslept, subject.holder == nil { subject.alive = now }
        guard subject.holder == nil, now - subject.alive >= subject.threshold else { return [] }
        let seen = Watchdog.look(subject.pulse)
        // It has gone on while it was looked at: nobody's stack.
        guard tandem_pulse_beats(subject.pulse) == beats else { return [] }
        tandem_pulse_count_stall(subject.pulse)
        subject.holder = seen.holder
        return [
            { report(.stalled, "\(seen.holder) holds the hub for \(held) now and \(seen.doing)", seen.stack) }
        ]
    }

    /// What a hub's thread is seen to do.
    struct Sighting {
        /// Whose code holds it.
        let holder: String
        let doing: String
        let stack: StackTrace?
    }

    /// Looks at the thread of a hub; nil when it is not watched. Blocks for up to 50 ms; not from that thread.
    func sight(_ pulse: UnsafeMutablePointer<tandem_pulse>) -> Sighting? {
        nonisolated(unsafe) let pulse = pulse
        // One at a time.
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
            holder: sighting.name.map { "green thread \(sighting.number) \"\(String(cString: $0))\"" } ?? "async code",
            doing: sighting.is_running ? "runs" : "is blocked in a system call", stack: stack.addresses.isEmpty ? nil : stack)
    }
}
