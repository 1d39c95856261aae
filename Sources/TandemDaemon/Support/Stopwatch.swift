/// How long something took.
struct Stopwatch: Sendable {
    private let start = ContinuousClock.now

    var elapsed: Duration { ContinuousClock.now - start }
}

extension JSON {
    /// A duration in milliseconds, to the microsecond.
    static func milliseconds(_ duration: Duration) -> JSON {
        .number(((duration / .microseconds(1)).rounded()) / 1_000)
    }
}
