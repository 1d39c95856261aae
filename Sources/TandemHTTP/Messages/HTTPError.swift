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
    ///
    /// - Parameters:
    ///   - status: The status of the answer.
    ///   - message: One sentence for the client. It is the body of the answer.
    ///   - headers: Further header fields of the answer.
    public init(_ status: HTTPResponse.Status, _ message: String, headers: HTTPFields = [:]) {
        self.status = status
        self.message = message
        self.headers = headers
    }

    /// The status code and the message.
    public var description: String { "\(status.code): \(message)" }

    /// The answer that the error stands for.
    var response: Response {
        var response = Response(status: status, text: message + "\n")
        response.headers.append(contentsOf: headers)
        return response
    }
}

extension HTTPFields {
    /// `Retry-After` of one second: long enough to spread out the clients that obey it, and short enough after a peak.
    static let retryLater: HTTPFields = [.retryAfter: "1"]
}
