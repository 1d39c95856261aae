internal import TandemFetch
internal import TandemHTTP

extension HTTPFields {
    /// Returns the header fields of a response whose body the service did not create. `nosniff` stops browsers from guessing
    /// another type.
    static func content(ofType type: String?) -> HTTPFields {
        [.contentType: type ?? "application/octet-stream", .xContentTypeOptions: "nosniff"]
    }
}

extension FetchClient {
    /// Returns the fetch for a URL that a request to this service names.
    ///
    /// The client checks every URL itself. This check comes first, so that a URL that is refused is the fault of our client (400 or
    /// 403), and a redirect to one is the fault of the upstream.
    func request(for url: String) throws(HTTPError) -> FetchRequest {
        guard let allowList else { return FetchRequest(url: url) }
        do throws(FetchError) {
            return FetchRequest(url: try allowList.check(url).text)
        } catch {
            throw HTTPError(error.code == .originNotAllowed ? .forbidden : .badRequest, error.message)
        }
    }
}

/// Returns the error for the client when a fetch that it asked for has failed; other errors, such as cancellation, stay as they are.
///
/// 403 for a redirect to an address that is not allowed, 503 when too many fetches wait already, 504 when the upstream is too slow,
/// 502 for everything else.
func answer(to error: any Error) -> any Error {
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
