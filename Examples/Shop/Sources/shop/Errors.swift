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
                case .unavailable: throw tryLater
                }
            } catch is FetchError {
                throw tryLater
            }
        }
    }
}

private let tryLater = HTTPError(.serviceUnavailable, "try again later", headers: [.retryAfter: "5"])
