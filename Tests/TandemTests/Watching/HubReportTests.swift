internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubReportTests {
    @Test func `the reports of a stopping hub go to the configured handler`() async throws {
        let reports = Recorder<HubReport>()
        var configuration = HubConfiguration()
        configuration.name = "stubborn"
        configuration.stopGrace = .milliseconds(20)
        configuration.onReport = { reports.add($0) }
        let configured = configuration
        let (release, ended) = (Event<Void>(), Event<Void>())
        try await onThread {
            try Hub.run(configured) {
                Hub.current!.spawn(name: "outlives") {
                    while release.outcome == nil { await Task.yield() }
                    ended.send(())
                }
                await Task.yield()
            }
        }
        #expect(reports.all.map(\.kind) == [.unfinished])
        #expect(reports.all[0].message.contains("outlives"))
        #expect(reports.all[0].description.hasPrefix("stubborn-0: "))
        release.send(())
        try await ended.wait()
    }
}
