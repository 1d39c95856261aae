public import HTTPTypes

/// An error that a handler throws to answer with a status and one sentence as the body.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// The status of the answer.
    public var status: HTTPResponse.Status
    /// The body, sent as text with a line feed.
    public var message: String
    /// Further header fields of the answer.
    public var headers: HTTPFields

    /// Creates an error.
    public init(_ status: HTTPResponse.Status, _ message: String, headers: HTTPFields = [:]) {
        self.status = status
        self.message = message
        self.headers = headers
    }

    /// Status and message.
    public var description: String { "\(status.code): \(message)" }

    /// The answer.
    var response: Response {
        var response = Response(status: status, text: message + "\n")
        response.headers.append(contentsOf: headers)
        return response
    }
}

extension HTTPFields {
    /// One second: long enough to spread the clients that obey it, short enough for a peak that has passed.
    static let retryLater: HTTPFields = [.retryAfter: "1"]
}
