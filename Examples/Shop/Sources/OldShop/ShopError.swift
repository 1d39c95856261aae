import CShop

/// Why a call of the shop failed.
package enum ShopError: Error, Equatable {
    case notFound
    case soldOut
    case paymentRefused
    /// A database or a service of a partner does not answer, or answers with an error.
    case unavailable

    /// The error for a call of the C library that did not succeed.
    init(_ status: shop_status) {
        switch status {
        case SHOP_NOT_FOUND: self = .notFound
        case SHOP_SOLD_OUT: self = .soldOut
        case SHOP_REFUSED: self = .paymentRefused
        default: self = .unavailable
        }
    }

    static func check(_ status: shop_status) throws {
        guard status == SHOP_OK else { throw ShopError(status) }
    }
}
