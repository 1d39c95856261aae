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

    /// Computes until there are as many reports, or far too long.
    @inline(never) static func computesUntil(_ number: Int, _ reports: Recorder<HubReport>) {
        let start = tandem_real_nanoseconds()
        while reports.count < number, tandem_real_nanoseconds() < start + 20_000_000_000 {}
    }

    @Test func `a green thread that computes for long is reported by name, with its stack, and again when it is over`()
        async throws
    {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            await blocking(name: "GET /legacy/report") { Self.computesUntil(1, reports) }
            try await pause { reports.count == 2 }
            #expect(Hub.counts.stalls == 1)
        }
        let (held, over) = (reports.all[0], reports.all[1])
        #expect(held.kind == .stalled)
        #expect(held.hubIndex == 0)
        #expect(held.message.contains("\"GET /legacy/report\" holds the hub for"))
        // The thread sanitizer puts signals off until the code calls something that it knows.
        if !Sanitizer.thread { #expect(held.message.contains("computesUntil"), "\(held.message)") }
        #expect(over.kind == .stallEnded)
        #expect(over.message.contains("\"GET /legacy/report\" has let the hub go after"))
    }

    @Test func `a hub held by async code is reported with its stack`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            Self.computesUntil(1, reports)
            try await pause { reports.count == 2 }
        }
        #expect(reports.all[0].message.hasPrefix("async code holds the hub for"))
        if !Sanitizer.thread { #expect(reports.all[0].message.contains("computesUntil"), "\(reports.all[0].message)") }
    }

    @inline(never) static func sleepsReally(_ microseconds: UInt32) -> CInt {
        let failed = usleep(microseconds)
        return failed == 0 ? 0 : errno
    }

    @Test func `a blocking system call is reported, with who made it, and is not cut short`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            let failed = await blocking(name: "really sleeps") { Self.sleepsReally(400_000) }
            #expect(failed == 0, "EINTR is \(EINTR)")
            try await pause { reports.count == 2 }
        }
        let held = try #require(reports.all.first)
        #expect(held.message.contains("\"really sleeps\" holds the hub for"))
        #expect(held.message.contains("is blocked in a system call"))
        #expect(held.message.contains("sleepsReally"), "\(held.message)")
    }

    @Test func `a hub that sleeps, or has much to do, is not held`() async throws {
        let reports = Recorder<HubReport>()
        try await onHub(watched(20, reports)) {
            try await sleep(for: .milliseconds(100))
            let start = tandem_real_nanoseconds()
            while tandem_real_nanoseconds() < start + 100_000_000 { try await sleep(for: .zero) }
        }
        #expect(reports.count == 0)
    }

    @Test func `a handler of SIGURG that was there before still gets the signals of others`() async throws {
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
