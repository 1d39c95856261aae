internal import HTTPTypes
internal import Tandem

/// An answer of one handler, kept for the comparison with another.
struct KeptAnswer: Sendable {
    /// The status and the fields; nil if the handler threw an error other than `HTTPError`.
    var head: (status: HTTPResponse.Status, headers: HTTPFields)?
    /// The body; nil for a stream that was not run, because the request is a HEAD or the handler threw.
    var body: [UInt8]?
    /// Whether the body is longer than the server compares. Then `body` is nil.
    var isTooLong = false
    /// The type of an error that the handler threw, or with which its stream ended.
    var error: String?

    /// An answer whose body is in memory, or whose stream is kept elsewhere.
    init(_ response: Response) {
        head = (response.status, response.headers)
        if case .bytes(let bytes) = response.body { body = bytes }
    }

    /// The answer for an error that a handler threw.
    init(_ error: any Error) {
        if let answer = (error as? HTTPError)?.response {
            head = (answer.status, answer.headers)
            if case .bytes(let bytes) = answer.body { body = bytes }
        } else {
            self.error = "\(type(of: error))"
        }
    }
}
