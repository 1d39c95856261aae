internal import HTTPTypes

/// Methods as metrics and spans name them: few, whatever clients send.
enum KnownMethods {
    /// What every method is called that is not known here.
    static let other = "_OTHER"

    private static let names = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

    /// The method's own name when RFC 9110, RFC 5789 or the route that matched knows it.
    static func name(of method: HTTPRequest.Method, _ route: Route?) -> String {
        route?.method == method || names.contains(method.rawValue) ? method.rawValue : other
    }

    /// A number for each name.
    static func number(of method: HTTPRequest.Method) -> Int { names.firstIndex(of: method.rawValue) ?? names.count }
}
