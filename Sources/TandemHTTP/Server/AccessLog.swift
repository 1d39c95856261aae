public import HTTPTypes
public import HTTPWire

/// Told of every request when it is over. Called on the hub that served it: must not block.
public protocol AccessLog: Sendable {
    /// One request has ended.
    func record(_ entry: AccessLogEntry)
}

/// How one request went.
public struct AccessLogEntry: Sendable {
    /// The style of the handler that answered.
    public enum Style: String, Sendable {
        case blocking, async
        /// The server itself answered: no route matched, or the request was refused.
        case none
    }

    /// How it ended.
    public enum Outcome: String, Sendable, Hashable {
        /// The answer was sent in full.
        case completed
        /// The client went away, or the server was stopped, and the handler was cancelled.
        case cancelled
        /// The answer could not be sent in full.
        case failed
    }

    /// The request's method; nil when the head could not be parsed.
    public var method: HTTPRequest.Method?
    /// The request's target as sent; nil when the head could not be parsed.
    public var target: String?
    /// The pattern of the route that matched.
    public var route: String?
    /// The style of the handler.
    public var style: Style
    /// The number of the hub in its group.
    public var hub: Int
    /// The status that was sent, or would have been.
    public var status: Int
    /// Bytes of the answer that were sent or buffered, head included.
    public var bytes: Int
    /// From the end of the request's head to the end of the answer.
    public var duration: Duration
    /// The peer, as `Request.remoteAddress`.
    public var remoteAddress: String
    /// How it ended.
    public var outcome: Outcome
    /// Bytes of the request that were taken: its head, and what was read of its body, without the framing of chunks.
    public var bytesReceived = 0
    /// The request's id; nil when the head could not be parsed.
    public var requestID: RequestID?
    /// The id of the trace it belongs to, 32 hexadecimal digits, when it belongs to one.
    public var traceID: String?
    /// The version of the request; nil when the head could not be parsed.
    public var version: HTTPVersion?
    /// Whether it came over TLS.
    public var isSecure = false

    /// An entry with these values.
    public init(
        method: HTTPRequest.Method?, target: String?, route: String?, style: Style, hub: Int, status: Int, bytes: Int,
        duration: Duration, remoteAddress: String, outcome: Outcome
    ) {
        self.method = method
        self.target = target
        self.route = route
        self.style = style
        self.hub = hub
        self.status = status
        self.bytes = bytes
        self.duration = duration
        self.remoteAddress = remoteAddress
        self.outcome = outcome
    }
}
