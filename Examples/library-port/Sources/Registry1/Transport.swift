internal import HTTPTypes
internal import RegistryModel
internal import TandemFetch

/// Sends requests to the registry.
final class Transport: Sendable {
    private let configuration: RegistryConfiguration
    private let client: FetchClient

    init(_ configuration: RegistryConfiguration) {
        self.configuration = configuration
        var fetching = FetchConfiguration()
        fetching.timeout = configuration.requestTimeout
        (fetching.responseTimeout, fetching.idleTimeout) = (nil, nil)
        client = FetchClient(configuration: fetching)
    }

    /// Sends a GET request and waits for its whole answer. Throws only `CancellationError`.
    func get(_ path: String, ifNoneMatch etag: String?) async throws -> Result<Answer, RequestFailure> {
        try Task.checkCancellation()
        var headers = HTTPFields()
        headers[.ifNoneMatch] = etag
        do {
            return .success(Answer(try await client.get(configuration.url + path, headers: headers)))
        } catch let error as FetchError {
            return .failure(error.isTimeout ? .timedOut : .connection)
        }
    }
}

extension Answer {
    init(_ response: FetchResponse) {
        self.init(
            status: response.status.code, etag: response[.eTag], retryAfter: response[.retryAfter], body: response.body)
    }
}
