import CShop
import Foundation

/// An order, with its price in cents. The confirmation is that of the payment service.
package struct Order: Codable, Equatable {
    package var id: Int
    package var customer: String
    package var product: Int
    package var quantity: Int
    package var cents: Int
    package var confirmation: String
}

/// The number and the sum of all orders.
package struct Report: Codable, Equatable {
    package var orders: Int
    package var cents: Int
}

/// The shop: what a customer can do. Any thread may call it.
package final class Storefront {
    package let catalogue: Catalogue
    package let rates: Rates
    private let inventory: OpaquePointer
    private let cache: OpaquePointer
    private let payments: String

    package init(
        catalogue: String, database: String, connections: Int, redis: (host: String, port: Int), partners: String
    ) {
        self.catalogue = Catalogue(file: catalogue)
        rates = Rates(address: partners + "/rates")
        inventory = inventory_create(database, Int32(connections))
        cache = cache_create(redis.host, Int32(redis.port), Int32(connections))
        payments = partners + "/payments"
    }

    /// Returns a product, at most a minute old. Without Redis it comes from the catalogue.
    package func product(_ id: Int) throws -> Product {
        var value = [CChar](repeating: 0, count: 1_000)
        if cache_get(cache, "product:\(id)", &value, value.count) == SHOP_OK,
            let product = try? JSONDecoder().decode(Product.self, from: Data(value.withUnsafeBytes(text).utf8))
        {
            return product
        }
        let product = try catalogue.product(id)
        _ = cache_put(cache, "product:\(id)", String(decoding: try JSONEncoder().encode(product), as: UTF8.self), 60)
        return product
    }

    package func setPrice(of id: Int, cents: Int) throws {
        try catalogue.setPrice(of: id, cents: cents)
        _ = cache_remove(cache, "product:\(id)")
    }

    /// Returns the price of a product in another currency, in hundredths.
    package func price(of id: Int, in currency: String) throws -> Int {
        Int((Double(try product(id).cents) * (try rates.rate(of: currency))).rounded())
    }

    /// Takes a product out of the stock, and charges the customer. Without a payment the product goes back.
    package func order(_ product: Int, quantity: Int, for customer: String) throws -> Order {
        let cents = try self.product(product).cents * quantity
        var id: Int64 = 0
        try ShopError.check(order_place(inventory, customer, Int32(product), Int32(quantity), Int64(cents), &id))
        var confirmation = [CChar](repeating: 0, count: 41)
        let charged = payment_charge(payments, id, Int64(cents), &confirmation, confirmation.count)
        guard charged == SHOP_OK else {
            _ = order_cancel(inventory, id)
            throw ShopError(charged)
        }
        try ShopError.check(order_confirm(inventory, id, confirmation))
        return try order(Int(id))
    }

    package func order(_ id: Int) throws -> Order {
        var order = shop_order()
        try ShopError.check(order_find(inventory, Int64(id), &order))
        return Order(
            id: id, customer: withUnsafeBytes(of: order.customer, text), product: Int(order.product),
            quantity: Int(order.quantity), cents: Int(order.cents), confirmation: withUnsafeBytes(of: order.confirmation, text))
    }

    /// Sums up all orders, by a query that takes this long.
    package func report(seconds: Double) throws -> Report {
        var report = shop_report()
        try ShopError.check(inventory_report(inventory, seconds, &report))
        return Report(orders: Int(report.orders), cents: Int(report.cents))
    }
}

/// Decodes the bytes before the first zero.
private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
