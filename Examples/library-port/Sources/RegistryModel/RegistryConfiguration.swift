/// The configuration of a registry.
public struct RegistryConfiguration: Sendable {
    /// The URL of the registry, without a slash at the end.
    public var url: String
    /// The time for which a value is used without a request.
    public var timeToLive: Duration = .seconds(60)
    /// The maximum number of requests at the same time. Further ones wait in the order of their arrival.
    public var concurrency = 8
    /// The maximum number of requests per call.
    public var attempts = 3
    /// The pause before the second request. It doubles for each further one.
    public var backoff: Duration = .milliseconds(100)
    /// The maximum pause that the backoff reaches.
    public var maxBackoff: Duration = .seconds(5)
    /// The maximum pause that the registry may ask for by `Retry-After`. A longer one ends the call.
    public var maxRetryAfter: Duration = .seconds(30)
    /// The time after which a request has failed.
    public var requestTimeout: Duration = .seconds(10)
    /// The directory of the file cache for archives; nil for none.
    public var directory: String?
    /// The clock of the cache.
    public var now: @Sendable () -> Duration = {
        let start = ContinuousClock.now
        return { ContinuousClock.now - start }
    }()
    /// Called before each pause with its length.
    public var willPause: @Sendable (Duration) -> Void = { _ in }

    /// Creates a configuration with the defaults.
    public init(url: String) { self.url = url }
}

/// What a registry does at this moment.
public struct RegistryActivity: Hashable, Sendable {
    /// The number of loads, one per resource.
    public var flights: Int
    /// The number of calls that wait for a load.
    public var callers: Int
    /// The number of loads that wait for their turn to send a request.
    public var inLine: Int
    /// The number of loads that pause before they send a request again.
    public var pausing: Int

    /// Creates an activity.
    public init(flights: Int, callers: Int, inLine: Int, pausing: Int) {
        self.flights = flights
        self.callers = callers
        self.inLine = inLine
        self.pausing = pausing
    }
}
