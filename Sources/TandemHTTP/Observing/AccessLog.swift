public import HTTPTypes
public import HTTPWire

/// A log of requests. The server calls it once per request, after the response.
///
///     final class SlowRequests: AccessLog {
///         func record(_ entry: AccessLogEntry) {
///             if entry.duration > .seconds(1) { print(entry.target ?? "-", entry.duration) }
///         }
///     }
public protocol AccessLog: AnyObject, Sendable {
    /// Records one request. Runs on the hub that served the request, and must not block.
    func record(_ entry: AccessLogEntry)
}

/// The outcome of one request.
///
/// An entry refers to the request's head and copies nothing from it: `method`, `target`, `version` and `traceID` are computed
/// each time. A log that writes bytes can read them from the head directly, as with `RequestHead.withRequestLine`.
public struct AccessLogEntry: Sendable {
    /// The style of the handler that answered.
    public enum Style: String, Sendable {
        /// A handler in this style answered.
        case blocking, async
        /// The server itself answered: no route matched, or the request was refused.
        case none

        init(_ style: RouteDescription.Style?) {
            self =
                switch style {
                case .blocking: .blocking
                case .async: .async
                case nil: .none
                }
        }
    }

    /// The outcome of a request.
    public enum Outcome: String, Sendable, Hashable {
        /// The server sent the whole response.
        case completed
        /// The client went away, or the server stopped, and the server cancelled the handler.
        case cancelled
        /// The server could not send the whole response.
        case failed
    }

    /// The request's head; nil when it could not be parsed.
    public var head: RequestHead?
    /// The pattern of the route that matched.
    public var route: String?
    /// The style of the handler.
    public var style: Style
    /// The index of the hub in its group.
    public var hub: Int
    /// The status of the response; 499 when the client went away, or the server cut the connection, before there was one.
    public var status: Int
    /// Bytes of the response that were sent or buffered, head included.
    public var bytes: Int
    /// Nanoseconds from the end of the request's head to the end of the response.
    public var nanoseconds: Int
    /// The peer, as `Request.remoteAddress`.
    public var remoteAddress: String
    /// The outcome of the request.
    public var outcome: Outcome
    /// Bytes of the request that the server read: the head, and the body without the framing of chunks.
    public var bytesReceived: Int
    /// The request's id; nil when the head could not be parsed.
    public var requestID: RequestID?
    /// The trace of the request's own span; 0 when the server does not trace.
    var traceIDHigh: UInt64, traceIDLow: UInt64
    /// Whether the connection uses TLS.
    public var isSecure: Bool
}

extension AccessLogEntry {
    // In an extension, so that the struct keeps its memberwise initializer: the optimizer copies the result of any other.
    /// Creates an entry with these values. `span` is the request's own, when the server traces.
    public init(
        head: RequestHead?, route: String?, style: Style, hub: Int, status: Int, bytes: Int, nanoseconds: Int,
        remoteAddress: String, outcome: Outcome, bytesReceived: Int = 0, requestID: RequestID? = nil, span: TraceContext? = nil,
        isSecure: Bool = false
    ) {
        self.init(
            head: head, route: route, style: style, hub: hub, status: status, bytes: bytes, nanoseconds: nanoseconds,
            remoteAddress: remoteAddress, outcome: outcome, bytesReceived: bytesReceived, requestID: requestID,
            traceIDHigh: span?.traceIDHigh ?? 0, traceIDLow: span?.traceIDLow ?? 0, isSecure: isSecure)
    }

    /// The request's method; nil when the head could not be parsed.
    public var method: HTTPRequest.Method? { head?.method }

    /// The request's target as sent; nil when the head could not be parsed.
    public var target: String? { head?.target }

    /// The version of the request; nil when the head could not be parsed.
    public var version: HTTPVersion? { head?.version }

    /// The time from the end of the request's head to the end of the response.
    public var duration: Duration { .nanoseconds(Int64(nanoseconds)) }

    /// The id of the request's trace, as 32 hexadecimal digits: that of the server's span or, without a span, the one in
    /// `traceparent`; nil without either.
    public var traceID: String? {
        if traceIDHigh | traceIDLow != 0 { return hexadecimal(traceIDHigh) + hexadecimal(traceIDLow) }
        return head.flatMap { TraceContext($0)?.traceID }
    }
}
