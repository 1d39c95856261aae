import TandemDaemon  // hidden
import TandemTesting  // hidden
import Testing  // hidden
import Tandem
import TandemHTTP

enum StageOne {  // hidden
    /// Prices, from a slow source: first in blocking style, then in async style.
    struct Prices: Sendable {
        func addRoutes(to router: Router) {
            router.get("/legacy/prices/{id}") { request in
                let id = try request.parameters.value("id", as: Int.self, in: 1...1_000)
                return Response(text: try price(of: id) + "\n")
            }
        }

        /// Looks a price up. `sleep` stands for a database: it parks this green thread, and the hub serves others meanwhile.
        private func price(of id: Int) throws -> String {
            try sleep(for: .milliseconds(20))
            return "\(id).99 EUR"
        }
    }
}

private enum StageTwo {
    struct Prices: Sendable {
        func addRoutes(to router: Router) {
            router.get("/legacy/prices/{id}") { request in
                let id = try request.parameters.value("id", as: Int.self, in: 1...1_000)
                let found = try price(of: id)
                let text = try awaiting { try await converted(found) }
                return Response(text: text + "\n")
            }
            router.get("/prices/{id}") { request in
                let id = try request.parameters.value("id", as: Int.self, in: 1...1_000)
                let found = try await blocking { try price(of: id) }
                return Response(text: try await converted(found) + "\n")
            }
        }

        private func price(of id: Int) throws -> String {
            try sleep(for: .milliseconds(20))
            return "\(id).99 EUR"
        }

        /// Converts a price. Async, as if it asked a service for the rate.
        private func converted(_ price: String) async throws -> String {
            try await sleep(for: .milliseconds(20))
            return price + " = 1 CHF"
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct FirstHourPageTests {
    private struct Shop: DaemonService {
        typealias Prices = StageTwo.Prices
        static let name = "shop"
        static let version = "1.0.0"

        init(_ context: DaemonContext) {}

        func addRoutes(to router: Router) {
            Prices().addRoutes(to: router)
        }
    }

    @Test(arguments: ["/prices/7", "/legacy/prices/7"])
    func `both styles give the same price`(path: String) async throws {
        try await withTestServer(Shop.makeRouter()) { client in
            let answer = try await client.get(path)
            #expect(answer.text == "7.99 EUR = 1 CHF\n")
        }
    }
}
