import OldShop
import TandemFetch

/// The partners of the shop, in async style. `rate(of:)` is what `Rates.rate(of:)` of the old half became.
struct Partners: Sendable {
    private let address: String
    private let client: FetchClient

    init(_ address: String, _ client: FetchClient) {
        self.address = address
        self.client = client
    }

    func rate(of currency: String) async throws -> Double {
        guard let rate = Double(try await client.get("\(address)/rates/\(currency)").successful().text) else {
            throw ShopError.unavailable
        }
        return rate
    }

    func delivery(of order: Int) async throws -> String {
        try await client.get("\(address)/deliveries/\(order)").successful().text
    }
}

extension FetchResponse {
    fileprivate func successful() throws -> FetchResponse {
        guard status.kind == .successful else { throw ShopError.unavailable }
        return self
    }
}
