import TandemHTTP
import TandemTesting
import Testing
import TicketModel

/// The price of a ticket in another currency, in every stage. The exchange is another service.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct PriceTests {
    @Test(arguments: Stage.allCases)
    func `a price is converted with the rate of the exchange`(stage: Stage) async throws {
        try await withExchange(stage) { client, _, _ in
            _ = try await client.create("a", cents: 1_250)
            let answer = try await client.get("/tickets/1/price?currency=CHF")
            #expect(answer.status == .ok)
            #expect(try answer.members() == ["currency", "hundredths", "ticket"])
            #expect(try answer.decoded(as: Price.self).hundredths == 1_188)
            #expect(try await client.get("/tickets/1/price?currency=USD").decoded(as: Price.self).hundredths == 1_375)
        }
    }

    @Test(arguments: Stage.allCases)
    func `a currency without a rate is not found`(stage: Stage) async throws {
        try await withExchange(stage) { client, _, _ in
            _ = try await client.create("a")
            let answer = try await client.get("/tickets/1/price?currency=XXX")
            #expect(answer.status == .notFound)
            #expect(try answer.sentence() == "the exchange has no rate for XXX")
        }
    }

    @Test(arguments: Stage.allCases)
    func `an exchange that fails makes a bad gateway`(stage: Stage) async throws {
        try await withExchange(stage) { client, _, _ in
            _ = try await client.create("a")
            for currency in ["BAD", "ERR"] {
                let answer = try await client.get("/tickets/1/price?currency=\(currency)")
                #expect(answer.status == .badGateway)
                #expect(try answer.sentence() == "the exchange does not answer")
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `an exchange that refuses connections makes a bad gateway`(stage: Stage) async throws {
        // Nobody listens on port 1.
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            let answer = try await client.get("/tickets/1/price?currency=CHF")
            #expect(answer.status == .badGateway)
            #expect(try await client.get("/tickets/1").status == .ok)
        }
    }

    @Test(arguments: Stage.allCases)
    func `an exchange that does not answer in time makes a gateway timeout`(stage: Stage) async throws {
        try await withExchange(stage, timeout: .milliseconds(300)) { client, exchange, _ in
            _ = try await client.create("a")
            let answer = try await client.get("/tickets/1/price?currency=SLW")
            #expect(answer.status == .gatewayTimeout)
            #expect(try answer.sentence() == "the exchange is too slow")
            exchange.release()
            #expect(try await client.get("/tickets/1/price?currency=SLW").status == .ok)
        }
    }

    @Test(arguments: Stage.allCases)
    func `requests that wait for the exchange hold up no other`(stage: Stage) async throws {
        try await withExchange(stage) { client, exchange, service in
            _ = try await client.create("a")
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await client.get("/tickets/1/price?currency=SLW").decoded(as: Price.self).hundredths }
                }
                for _ in 0..<20 { try await exchange.waitUntilAsked() }
                #expect(try await client.get("/tickets/1").status == .ok)
                #expect(try await client.get("/tickets/1/price?currency=CHF").status == .ok)
                _ = try await client.create("b")
                exchange.release()
                for try await price in group { #expect(price == 2_400) }
            }
            // Where handlers block, the figure that has to be 0 in stage 3 is not.
            if stage == .stage1 || stage == .stage2 { #expect(try await service.greenThreads().contains { $0 >= 20 }) }
        }
    }
}
