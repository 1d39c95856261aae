import COldRates

/// The rates of the partner, by the C library. Blocking code, written for threads: it does not know Tandem.
struct OldRates: Sendable {
    let port: UInt16

    /// Returns the rate of a currency. Blocks the caller until the partner has answered.
    func rate(of currency: String) throws(RateError) -> Int {
        var rate = 0
        var error: CInt = 0
        switch old_rates_get(port, currency, &rate, &error) {
        case OLD_RATES_OK: return rate
        case OLD_RATES_UNKNOWN: throw .unknown(currency)
        default: throw .unavailable(errno: error)
        }
    }
}
