internal import CCurl
internal import Tandem

/// When an exchange must be over, and how long it was given, for the message.
struct FetchDeadline {
    let deadline: Deadline
    let allowed: Duration?
    private let connectTimeout: Duration

    init(_ wanted: Deadline?, _ configuration: FetchConfiguration) {
        deadline = wanted ?? .after(configuration.timeout)
        allowed = deadline.remaining
        connectTimeout = configuration.connectTimeout
    }

    /// Whole milliseconds that are left, as libcurl takes them: 0 for no limit. Throws `timedOut` when none are.
    func milliseconds(_ origin: String) throws(FetchError) -> Int {
        guard let left = deadline.remaining else { return 0 }
        guard left > .zero else { throw exceeded(origin, connected: true) }
        return left.millisecondsRoundedUp
    }

    /// Whole milliseconds in which to connect, at least one: to libcurl 0 is its own default.
    var connectMilliseconds: Int { max(1, connectTimeout.millisecondsRoundedUp) }

    /// The error for a transfer that libcurl ended because of the time.
    func exceeded(_ origin: String, connected: Bool) -> FetchError {
        let curl = Int32(CURLE_OPERATION_TIMEDOUT.rawValue)
        guard connected || deadline.remaining == .zero else {
            return FetchError(.connectTimedOut, "\(origin): could not connect within \(connectTimeout)", curlCode: curl)
        }
        return FetchError(.timedOut, "\(origin): no complete answer within \(allowed ?? .zero)", curlCode: curl)
    }
}

extension Duration {
    fileprivate var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        // libcurl keeps 32 bits; 24 days are as good as more.
        return min(Int(clamping: min(seconds, 1_000_000_000) * 1000 + rest), Int(Int32.max))
    }
}
