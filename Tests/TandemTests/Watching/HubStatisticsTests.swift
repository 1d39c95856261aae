internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubStatisticsTests {
    @Test func `bridges, parks, switches and jobs are counted`() async throws {
        try await onHub {
            let before = Hub.counts
            try await blocking {
                for _ in 0..<3 { try awaiting {} }
                for _ in 0..<5 { try sleep(for: .zero) }
            }
            await blocking {}
            let after = Hub.counts
            #expect(after.bridgesToBlocking - before.bridgesToBlocking == 2)
            #expect(after.bridgesToAsync - before.bridgesToAsync == 3)
            #expect(after.parks - before.parks == 5)
            #expect(after.switches - before.switches == 10)
            #expect(after.jobs - before.jobs == 5, "each park ends a job")
            #expect(after.stalls == 0)
        }
    }
}
