/// The answer to a request.
public struct Answer: Sendable {
    /// The status.
    public var status: Int
    /// The validator of the body.
    public var etag: String?
    /// The value of `Retry-After`.
    public var retryAfter: String?
    /// The body.
    public var body: [UInt8]

    /// Creates an answer.
    public init(status: Int, etag: String?, retryAfter: String?, body: [UInt8]) {
        self.status = status
        self.etag = etag
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// The reason why a request has no answer.
public enum RequestFailure: Error {
    /// The answer was not complete in time.
    case timedOut
    /// No connection, or it broke before the answer was complete.
    case connection
}

/// What follows from an answer.
public enum Verdict: Sendable {
    /// A new value.
    case value(RegistryValue)
    /// The value that is known is still the current one.
    case unchanged
    /// The call has failed.
    case failed(RegistryError)
    /// The request is to be sent again after a pause.
    case again(after: Duration)
}

/// Decides after each request whether to send it again.
public struct RetryRules: Sendable {
    private let configuration: RegistryConfiguration

    /// Creates the rules of a configuration.
    public init(_ configuration: RegistryConfiguration) { self.configuration = configuration }

    /// Returns what follows from the answer to the `attempt`th request, or from its failure.
    public func verdict(on result: Result<Answer, RequestFailure>, for resource: Resource, attempt: Int) -> Verdict {
        let answer: Answer
        do throws(RequestFailure) { answer = try result.get() } catch {
            return again(error == .timedOut ? .timedOut : .connection, nil, resource, attempt)
        }
        switch answer.status {
        case 200:
            do { return .value(try resource.value(of: answer.body, attempts: attempt)) } catch { return .failed(error) }
        case 304: return .unchanged
        case 404: return .failed(RegistryError(.unknownPackage, path: resource.path, status: 404, attempts: attempt))
        case 429, 500...: return again(.unavailable, answer, resource, attempt)
        default: return .failed(RegistryError(.refused, path: resource.path, status: answer.status, attempts: attempt))
        }
    }

    private func again(_ code: RegistryError.Code, _ answer: Answer?, _ resource: Resource, _ attempt: Int) -> Verdict {
        let asked = answer?.retryAfter.flatMap { Int64($0) }.map { Duration.seconds($0) }
        guard attempt < configuration.attempts, asked ?? .zero <= configuration.maxRetryAfter else {
            return .failed(RegistryError(code, path: resource.path, status: answer?.status ?? 0, attempts: attempt))
        }
        let backoff = min(configuration.backoff * (1 << min(attempt - 1, 20)), configuration.maxBackoff)
        return .again(after: asked ?? backoff)
    }
}
