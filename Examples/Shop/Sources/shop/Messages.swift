import OldShop
import TandemHTTP

/// What clients send and get.
struct NewOrder: Decodable {
    let customer: String
    let product: Int
    let quantity: Int

    func check() throws {
        guard 1...80 ~= customer.utf8.count, !customer.utf8.contains(0) else {
            throw HTTPError(.badRequest, "customer: expected a name of 1 to 80 bytes")
        }
        guard 1...1_000_000 ~= product else { throw HTTPError(.badRequest, "product: expected a number from 1 to 1000000") }
        guard 1...100 ~= quantity else { throw HTTPError(.badRequest, "quantity: expected a number from 1 to 100") }
    }
}

struct NewPrice: Decodable {
    let cents: Int
}

struct Price: Encodable {
    let currency: String
    let hundredths: Int
}

struct Tracking: Encodable {
    let order: Order
    let delivery: String
}

struct Currency: ParameterValue {
    static var expectation: String { "a currency of three capital letters" }
    let code: String

    init?(parameter text: String) {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ 65...90 ~= $0 }) else { return nil }
        code = text
    }
}

extension Request {
    func id() throws -> Int { try parameters.value("id", as: Int.self, in: 1...1_000_000) }

    func seconds() throws -> Double { try query.valueIfPresent("seconds", as: Double.self, in: 0...10) ?? 0.2 }
}
