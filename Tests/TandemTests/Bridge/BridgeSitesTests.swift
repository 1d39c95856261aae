internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1)))
struct BridgeSitesTests {
    private static let counting: HubConfiguration = {
        var configuration = HubConfiguration()
        configuration.countsBridges = true
        return configuration
    }()

    @Test func `calls across both bridges are counted by call site and green thread`() async throws {
        try await onHub(Self.counting, hubs: .one("each hub has its own counts")) {
            let (inner, outer) = (#line + 3, #line + 2)
            for _ in 0..<3 {
                try await blocking(name: "GET /price") {
                    try awaiting { await Task.yield() }
                }
            }
            let sites = Hub.current!.bridgeSites
            #expect(
                sites
                    == [
                        BridgeSite(
                            direction: .toAsync, file: "TandemTests/BridgeSitesTests.swift", line: inner,
                            greenThread: "GET /price",
                            calls: 3),
                        BridgeSite(
                            direction: .toBlocking, file: "TandemTests/BridgeSitesTests.swift", line: outer,
                            greenThread: "GET /price", calls: 3
                        ),
                    ].sorted { $0.line < $1.line })
        }
    }

    @Test func `a call site has an entry per green thread, and calls at line 0 have none`() async throws {
        try await onHub(Self.counting, hubs: .one("each hub has its own counts")) {
            for name in ["a", "b", "b"] {
                try await blocking(name: GreenThreadName(permanent: name), line: 0) { try awaiting { await Task.yield() } }
            }
            let sites = Hub.current!.bridgeSites
            #expect(sites.map(\.greenThread) == ["a", "b", "b"], "names that are made at run time are told apart")
            #expect(sites.allSatisfy { $0.direction == .toAsync && $0.calls == 1 })
        }
    }

    @Test func `the table keeps all of its entries when it grows, and takes no more than its limit`() async throws {
        try await onHub(Self.counting, hubs: .one("each hub has its own counts")) {
            let names = (0..<BridgeSites.limit + 100).map { GreenThreadName(permanent: "\($0)") }
            for _ in 0..<2 {
                for name in names {
                    Hub.current!.bridges.count(.toAsync, (#fileID as StaticString).utf8Start, 7, name.pointer)
                }
            }
            let sites = Hub.current!.bridgeSites
            #expect(sites.count == BridgeSites.limit)
            #expect(Set(sites.map(\.greenThread)).count == BridgeSites.limit)
            #expect(sites.allSatisfy { $0.calls == 2 })
        }
    }

    @Test func `a hub counts nothing unless its configuration says so`() async throws {
        try await onHub(hubs: .one("each hub has its own counts")) {
            try await blocking { try awaiting { await Task.yield() } }
            #expect(Hub.current!.bridgeSites.isEmpty)
        }
    }
}
