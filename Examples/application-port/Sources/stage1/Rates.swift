import CEasyGet
import TicketModel

/// The exchange: an HTTP service that answers with a number.
struct Rates: Sendable {
    let url: String
    let timeout: Int

    func rate(of currency: String) throws -> Double {
        var status = 0
        var body = [CChar](repeating: 0, count: 256)
        switch easy_get("\(url)/\(currency)", timeout, &status, &body, body.count) {
        case EASY_GET_OK: break
        case EASY_GET_TIMED_OUT: throw TicketError.exchangeTimedOut
        default: throw TicketError.exchangeFailed
        }
        guard status != 404 else { throw TicketError.noRate(currency) }
        guard status == 200 else { throw TicketError.exchangeFailed }
        return try parseRate(String(decoding: body.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
