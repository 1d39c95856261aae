internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The header fields of an echo: the body is what the client says it is.
func echoHeaders(_ request: Request) -> HTTPFields {
    contentHeaders(request[.contentType])
}

/// What of an upstream's head is handed on: the type of the body. Everything else is between the upstream and us.
func relayedHeaders(_ upstream: FetchStream) -> HTTPFields {
    contentHeaders(upstream[.contentType])
}

/// `nosniff`: a browser must not take content that others made for more than it is declared to be.
private func contentHeaders(_ type: String?) -> HTTPFields {
    [.contentType: type ?? "application/octet-stream", .xContentTypeOptions: "nosniff"]
}

/// What a client is told when the fetch that it asked for fails; other errors, cancellation and those of its own body among
/// them, stay what they are. A URL that is bad by now is one that the upstream has redirected to.
///
/// 504 says that the upstream was too slow, 503 that it has too much to do already: come back; 502 all else.
func upstreamFailure(_ error: any Error) -> any Error {
    guard let error = error as? FetchError else { return error }
    let status: HTTPResponse.Status =
        switch error.code {
        case .refused, .originNotAllowed: .forbidden
        case .overloaded, .queueTimedOut: .serviceUnavailable
        case _ where error.isTimeout: .gatewayTimeout
        default: .badGateway
        }
    return HTTPError(
        status, "the fetch failed: \(error.message)", headers: status == .serviceUnavailable ? [.retryAfter: "1"] : [:])
}
