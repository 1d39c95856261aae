import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Exchange rates of a bank, by currency. Each is fetched once per minute; other callers wait for the same fetch.
package final class Rates {
    private let address: String
    private let lock = NSLock()
    private var known: [String: (rate: Double, end: Date)] = [:]

    package init(address: String) { self.address = address }

    package func rate(of currency: String) throws -> Double {
        lock.lock()
        defer { lock.unlock() }
        if let entry = known[currency], entry.end > Date() { return entry.rate }
        guard let url = URL(string: address + "/" + currency), let data = try? Data(contentsOf: url),
            let rate = Double(String(decoding: data, as: UTF8.self))
        else { throw ShopError.unavailable }
        known[currency] = (rate, Date() + 60)
        return rate
    }
}
