internal import CCurl
internal import Glibc

/// Whether and how a request that failed is sent again.
///
/// Only what can do no harm: idempotent methods (GET, HEAD, PUT, DELETE, OPTIONS, TRACE; RFC 9110 9.2.2), with a body that
/// can be made again, when the connection could not be made or broke before any byte of an answer, or when the answer is one
/// of `statuses`. The pause before the nth retry is drawn from nothing to `baseDelay` times 2ⁿ⁻¹, at most `maxDelay` ("full
/// jitter"), so that those who failed together do not come back together. The deadline bounds the whole: a pause that would
/// outlast it is not begun, and the failure is the result.
///
/// Retries multiply load just when an upstream has too much. So they come out of a budget that each origin has on each hub:
/// it begins with `budget` retries, gets `budgetRatio` back for each request, and one a second; when it is empty, failures
/// are results at once.
public struct RetryPolicy: Sendable, Hashable {
    /// How often a request is sent at most, the first time included. 1 never retries.
    public var attempts: Int
    /// The longest pause before the first retry.
    public var baseDelay: Duration = .milliseconds(100)
    /// The longest pause before any.
    public var maxDelay: Duration = .seconds(2)
    /// Answers after which to try again.
    public var statuses: Set<Int> = [502, 503, 504]
    /// The longest `Retry-After` that is waited for; an answer that asks for more is the result.
    public var maxRetryAfter: Duration = .seconds(10)
    /// Whether methods that are not idempotent are retried too, POST among them: for upstreams that tell doubles apart, by
    /// an `Idempotency-Key` say.
    public var includesUnsafeMethods = false
    /// Retries that an origin has when it was not asked for long.
    public var budget = 10.0
    /// What each request adds to it. 0.2: of an upstream that fails wholly, no more than a fifth is asked again.
    public var budgetRatio = 0.2

    /// At most so many attempts, with the defaults.
    public init(attempts: Int) { self.attempts = attempts }

    /// Sends each request once. The default: who calls knows whether a second try is worth its while, and retries at each of
    /// several layers multiply.
    public static let none = RetryPolicy(attempts: 1)

    /// The pause before the retry with this number, from 1.
    func delay(before retry: Int) -> Duration {
        let longest = min(maxDelay, baseDelay * (1 << min(retry - 1, 20)))
        return longest * Double.random(in: 0...1)
    }

    /// The delay that a `Retry-After` asks for, in seconds or as a date (RFC 9110 10.2.3); nil for what is neither.
    static func delay(asked value: String) -> Duration? {
        if let seconds = Int(value) { return seconds >= 0 ? .seconds(min(seconds, 1_000_000_000)) : nil }
        let date = curl_getdate(value, nil)
        return date < 0 ? nil : .seconds(max(0, date - time(nil)))
    }
}

/// What is left of an origin's retries.
struct RetryBudget {
    private var tokens: Double
    private var counted: Duration

    init(_ policy: RetryPolicy, now: Duration) {
        tokens = policy.budget
        counted = now
    }

    /// Counts a request.
    mutating func earn(_ policy: RetryPolicy, now: Duration) {
        tokens = min(policy.budget, tokens + policy.budgetRatio + (now - counted) / .seconds(1))
        counted = now
    }

    /// Takes one retry, if there is one.
    mutating func spend(_ policy: RetryPolicy, now: Duration) -> Bool {
        tokens = min(policy.budget, tokens + (now - counted) / .seconds(1))
        counted = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
