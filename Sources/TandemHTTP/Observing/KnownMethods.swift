internal import HTTPTypes
internal import HTTPWire

/// The names of methods in metrics and spans. Clients cannot add any.
enum KnownMethods {
    /// The name of every method that is not known here.
    static let other = "_OTHER"

    /// Returns the method's own name if RFC 9110 or RFC 5789 defines the method or the matched route has it, otherwise `other`.
    static func name(of method: HTTPRequest.Method, _ route: Route?) -> String {
        route?.method == method || KnownMethod(method) != .other ? method.rawValue : other
    }
}
