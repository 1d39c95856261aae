import OldShop
import TandemFetch
import TandemHTTP

extension RouteGroup {
    /// Gives the errors of both halves their statuses.
    func answerErrors() {
        use { request, next in
            do {
                return try await next(request)
            } catch let error as ShopError {
                switch error {
                case .notFound: throw HTTPError(.notFound, "not found")
                case .soldOut: throw HTTPError(.conflict, "sold out")
                case .paymentRefused: throw HTTPError(.init(code: 402), "the payment was refused")
                case .unavailable: throw HTTPError(.serviceUnavailable, "try again later", headers: [.retryAfter: "5"])
                }
            } catch is FetchError, is PartnerError {
                throw HTTPError(.badGateway, "a partner does not answer")
            }
        }
    }
}
