/// Why a request failed.
package enum TicketError: Error, Equatable {
    case noTicket(Int)
    case noAttachment(Int)
    case invalid(String, String)
    case noRate(String)
    case exchangeFailed
    case exchangeTimedOut
    case database(String)

    /// The status of the answer.
    package var status: Int {
        switch self {
        case .noTicket, .noAttachment, .noRate: 404
        case .invalid: 400
        case .exchangeFailed: 502
        case .exchangeTimedOut: 504
        case .database: 503
        }
    }

    /// The sentence in the answer.
    package var message: String {
        switch self {
        case .noTicket(let id): "there is no ticket \(id)"
        case .noAttachment(let id): "ticket \(id) has no attachment"
        case .invalid(let field, let expectation): "\(field): \(expectation)"
        case .noRate(let currency): "the exchange has no rate for \(currency)"
        case .exchangeFailed: "the exchange does not answer"
        case .exchangeTimedOut: "the exchange is too slow"
        case .database: "the database is not available"
        }
    }
}
