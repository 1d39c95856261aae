internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct WatchdogTests {
    private func watched(_ milliseconds: Int, _ reports: Recorder<HubReport>) -> HubConfiguration {
        var configuration = HubConfiguration()
        configuration.stallThreshold = .milliseconds(milliseconds)
        configuration.onReport = { reports.add($0) }
        return configuration
    }

    /// Computes until a report names it, or for far too long.
    @inline(never) static func computes(until reports: Recorder<HubReport>, say kind: HubReport.Kind, _ text: String) {
        let start = tandem_real_nanoseconds()
        while !reports.contain(kind, text), tandem_real_nanoseconds() < start + 20_000_000_000 {}
    }

    @Test func `a green thread that computes for long is reported with name and stack, and again when it ends`()
        async throws
    {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports), hubs: .one("its number is looked at")) {
            await blocking(name: "GET /legacy/report") { Self.computes(until: reports, say: .stalled, "GET /legacy/report") }
            try await pause { reports.contain(.stallEnded, "\"GET /legacy/report\" released the hub after") }
            #expect(Hub.counts.stalls >= 1)
        }
        let held = try #require(reports.first(.stalled, "\"GET /legacy/report\" has held the hub for"))
        #expect(held.holder == .greenThread(number: 1, name: "GET /legacy/report"))
        #expect(try #require(held.held) > .zero)
        #expect(held.hubIndex == 0)
        #expect(held.message.hasSuffix(" and runs"))
        // The thread sanitizer delays signals until the code calls a function that it intercepts.
        if !Sanitizer.thread { #expect(held.description.contains("computes(until:"), "\(held)") }
    }

    /// The threshold also applies to a hub that slept for half a day.
    @Test func `the threshold can be set and removed while the hub runs`() async throws {
        for threshold in [Duration.seconds(86_400), nil] {
            let reports = Recorder<HubReport>()
            var configuration = watched(0, reports)
            configuration.stallThreshold = threshold
            try await onHub(configuration, hubs: .one("the hubs would share the reports, and each counts its own stalls")) {
                let hub = Hub.current!
                #expect(hub.stallThreshold == threshold)
                hub.stallThreshold = .milliseconds(20)
                Self.computes(until: reports, say: .stalled, "async code has held the hub for")
                try await pause { reports.contain(.stallEnded, "async code released the hub after") }
                hub.stallThreshold = nil
                #expect(hub.stallThreshold == nil)
                // Read afterwards: until then the watchdog may still count, because looking through the reports takes long, too.
                let stalls = Hub.counts.stalls
                #expect(stalls >= 1)
                let start = tandem_real_nanoseconds()
                while tandem_real_nanoseconds() < start + 100_000_000 {}
                #expect(Hub.counts.stalls == stalls)
            }
        }
    }

    @Test func `a hub held by async code is reported with its stack`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            Self.computes(until: reports, say: .stalled, "async code has held the hub for")
            try await pause { reports.contain(.stallEnded, "async code released the hub after") }
        }
        if !Sanitizer.thread { #expect(reports.all.contains { $0.description.contains("computes(until:") }, "\(reports.all)") }
    }

    @inline(never) static func sleepsReally(_ microseconds: UInt32) -> CInt {
        let failed = usleep(microseconds)
        return failed == 0 ? 0 : errno
    }

    @Test func `a blocking system call is reported with its caller, and is not interrupted`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            let failed = await blocking(name: "really sleeps") { Self.sleepsReally(500_000) }
            #expect(failed == 0, "EINTR is \(EINTR)")
            try await pause { reports.contain(.stallEnded, "really sleeps") }
        }
        let held = try #require(reports.first(.stalled, "\"really sleeps\" has held the hub for"))
        #expect(held.message.contains("is blocked in a system call"))
        #expect(held.description.contains("sleepsReally"), "\(held)")
    }

    @Test func `a sleeping or busy hub is not reported as held`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(400, reports)) {
            try await sleep(for: .milliseconds(900))
            let start = tandem_real_nanoseconds()
            while tandem_real_nanoseconds() < start + 900_000_000 { try await sleep(for: .zero) }
        }
        #expect(reports.count == 0)
    }

    @Test func `hubs may start and end while the watchdog checks them`() async throws {
        // Runs in a separate process, because a past fault here was an overflow that ends the process.
        await #expect(processExitsWith: .success) {
            await withTaskGroup { tasks in
                for _ in 0..<4 {
                    tasks.addTask {
                        let pulse = UnsafeMutablePointer<tandem_pulse>.allocate(capacity: 1)
                        pulse.initialize(to: tandem_pulse())
                        let recorder = FlightRecorder(isAlwaysOn: false)
                        defer {
                            recorder.deallocate()
                            pulse.deallocate()
                        }
                        var keys: [Int] = []
                        for _ in 0..<100_000 {
                            keys.append(Watchdog.shared.add(pulse, recorder, threshold: .milliseconds(2)) { _ in })
                            if keys.count == 4 { Watchdog.shared.remove(keys.removeFirst()) }
                        }
                        keys.forEach(Watchdog.shared.remove)
                    }
                }
            }
        }
    }

    @Test func `an earlier SIGURG handler still gets the signals of others`() async throws {
        let result = await #expect(processExitsWith: .exitCode(7)) {
            signal(SIGURG) { _ in _exit(7) }
            var configuration = HubConfiguration()
            configuration.stallThreshold = .milliseconds(100)
            try await onHub(configuration) { raise(SIGURG) }
        }
        _ = result
    }

    /// Lets the hub sleep until `condition` holds.
    private func pause(until condition: () -> Bool) async throws {
        for _ in 0..<5000 where !condition() { try await sleep(for: .milliseconds(2)) }
        #expect(condition())
    }
}

extension Recorder<HubReport> {
    func first(_ kind: HubReport.Kind, _ text: String) -> HubReport? {
        all.first { $0.kind == kind && $0.message.contains(text) }
    }
    fileprivate func contain(_ kind: HubReport.Kind, _ text: String) -> Bool { first(kind, text) != nil }
}
