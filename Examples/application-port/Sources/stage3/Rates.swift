import TandemFetch
import TicketModel

/// The exchange: an HTTP service that answers with a number.
struct Rates: Sendable {
    private let url: String
    private let client: FetchClient

    init(url: String, timeout: Int) {
        self.url = url
        var configuration = FetchConfiguration()
        configuration.timeout = .milliseconds(timeout)
        client = FetchClient(configuration: configuration)
    }

    func rate(of currency: String) async throws -> Double {
        let answer: FetchResponse
        do {
            answer = try await client.get("\(url)/\(currency)")
        } catch let error as FetchError {
            throw error.isTimeout ? TicketError.exchangeTimedOut : .exchangeFailed
        }
        guard answer.status != .notFound else { throw TicketError.noRate(currency) }
        guard answer.status == .ok else { throw TicketError.exchangeFailed }
        return try parseRate(answer.text)
    }
}
