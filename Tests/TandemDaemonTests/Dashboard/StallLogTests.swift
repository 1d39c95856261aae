import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct StallLogTests {
    @Test func `stalls are counted by hub and by the code that held it, whichever green thread it ran on`() async throws {
        let log = StallLog()
        var configuration = HubConfiguration()
        configuration.name = "held"
        configuration.stallThreshold = .milliseconds(20)
        configuration.onReport = { log.add($0) }
        let group = try HubGroup(count: 1, configuration: configuration)
        try await group.hubs[0].visit {
            let other = GreenThread { try sleep(for: .seconds(1_000)) }
            for round in 1...2 {
                await blocking(name: "GET /slow") { while !log.all.contains(where: { $0.count == round && $0.isHolding }) {} }
                // The next stall is of another green thread.
                if round == 1 { other.cancel() }
                while log.all.contains(where: \.isHolding) { try await sleep(for: .milliseconds(2)) }
            }
            try? await other.wait()
        }
        await group.shutdown()
        let entry = try #require(log.all.first)
        #expect(log.all.count == 1 && entry.hub == "held-0" && entry.holder == #"green thread "GET /slow""# && entry.count == 2)
        #expect(!entry.isHolding && entry.longest >= .milliseconds(20) && entry.stack != nil)
    }
}
