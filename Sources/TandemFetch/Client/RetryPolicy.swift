internal import CCurl
internal import Glibc

/// The policy for sending a failed request again.
///
/// The client retries only if that does no harm. The method must be idempotent (GET, HEAD, PUT, DELETE, OPTIONS, TRACE; RFC
/// 9110 section 9.2.2), and the body must be repeatable or not have been started. The client retries if it could not connect,
/// if the connection broke before any byte of a response, and after a response with one of `statuses`.
///
/// The pause before the nth retry is a random time between 0 and `baseDelay` × 2ⁿ⁻¹, at most `maxDelay` ("full jitter"), so
/// that requests that failed together are not repeated together. The client does not begin a pause that would outlast the
/// deadline; the caller then gets the failure.
///
/// Retries increase the load when an upstream is overloaded already. Therefore each origin has a budget per hub. It begins with
/// `budget` retries, and grows by `budgetRatio` per request and by one per second, up to `budget`. If it is empty, the caller
/// gets failures at once.
public struct RetryPolicy: Sendable, Hashable {
    /// The maximum number of times that a request is sent, including the first. 1 means no retries.
    public var attempts: Int
    /// The maximum pause before the first retry.
    public var baseDelay: Duration = .milliseconds(100)
    /// The maximum pause before any retry.
    public var maxDelay: Duration = .seconds(2)
    /// The statuses of responses after which the client retries.
    public var statuses: Set<Int> = [502, 503, 504]
    /// The longest `Retry-After` for which the client waits. It returns a response that asks for more.
    public var maxRetryAfter: Duration = .seconds(10)
    /// Whether the client also retries methods that are not idempotent, such as POST. For upstreams that recognize repeated
    /// requests, for example by an `Idempotency-Key`.
    public var includesUnsafeMethods = false
    /// The number of retries in a full budget.
    public var budget = 10.0
    /// The number of retries that each request adds to the budget. 0.2: if an upstream fails completely, retries add at most a
    /// fifth to its load, and one request per second.
    public var budgetRatio = 0.2

    /// Creates a policy with this number of attempts, and the defaults for everything else.
    public init(attempts: Int) { self.attempts = attempts }

    /// The policy without retries, which is the default. Only the caller knows whether a retry is worth its cost, and retries
    /// at several layers multiply.
    public static let none = RetryPolicy(attempts: 1)

    /// Returns the pause before the retry with this number, counted from 1.
    func delay(before retry: Int) -> Duration {
        let longest = min(maxDelay, baseDelay * (1 << min(retry - 1, 20)))
        return longest * Double.random(in: 0...1)
    }

    /// Returns the delay that a `Retry-After` asks for, in seconds or as a date (RFC 9110 section 10.2.3). Returns nil for any
    /// other value.
    package static func delay(asked value: String) -> Duration? {
        if let seconds = Int(value) { return seconds >= 0 ? .seconds(min(seconds, 1_000_000_000)) : nil }
        let date = curl_getdate(value, nil)
        return date < 0 ? nil : .seconds(max(0, date - time(nil)))
    }
}

/// The remaining retries of an origin.
struct RetryBudget {
    private var tokens: Double
    private var counted: Duration

    init(_ policy: RetryPolicy, now: Duration) {
        tokens = policy.budget
        counted = now
    }

    /// Adds the share of one request, and of the time that has passed.
    mutating func earn(_ policy: RetryPolicy, now: Duration) {
        tokens = min(policy.budget, tokens + policy.budgetRatio + (now - counted) / .seconds(1))
        counted = now
    }

    /// Takes one retry from the budget. Returns false if the budget is empty.
    mutating func spend(_ policy: RetryPolicy, now: Duration) -> Bool {
        tokens = min(policy.budget, tokens + (now - counted) / .seconds(1))
        counted = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
