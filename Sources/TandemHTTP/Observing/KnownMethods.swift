internal import HTTPTypes

/// The names of methods in metrics and spans. Clients cannot add any.
enum KnownMethods {
    /// The name of every method that is not known here.
    static let other = "_OTHER"

    private static let names = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

    /// Returns the method's own name if RFC 9110 or RFC 5789 defines the method or the matched route has it, otherwise `other`.
    static func name(of method: HTTPRequest.Method, _ route: Route?) -> String {
        route?.method == method || names.contains(method.rawValue) ? method.rawValue : other
    }

    /// Returns a number for each name.
    static func number(of method: HTTPRequest.Method) -> Int { names.firstIndex(of: method.rawValue) ?? names.count }
}
