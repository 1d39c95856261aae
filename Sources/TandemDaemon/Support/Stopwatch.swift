/// A stopwatch, which starts when it is created.
struct Stopwatch: Sendable {
    private let start = ContinuousClock.now

    var elapsed: Duration { ContinuousClock.now - start }
}

extension JSON {
    /// Returns a duration in milliseconds, rounded to microseconds.
    static func milliseconds(_ duration: Duration) -> JSON {
        .number(((duration / .microseconds(1)).rounded()) / 1_000)
    }
}
