internal import Testing

@testable import Tandem

struct DeadlineTests {
    @Test(
        arguments: [
            (Duration.zero, 0), (.seconds(-1), 0), (.nanoseconds(1), 1), (.nanoseconds(512), 512), (.seconds(1), 1_000_000_000),
            (Duration(secondsComponent: 0, attosecondsComponent: 1), 1), (.seconds(9_444), 9_444_000_000_000),
            (Duration(secondsComponent: 0, attosecondsComponent: 1_000_000_001), 2), (.seconds(9_445), 9_445_000_000_000),
            (.seconds(86_400 * 365), 31_536_000_000_000_000), (.seconds(18_446_744_073), 18_446_744_073_000_000_000),
            (.seconds(18_446_744_074), UInt64.max), (.seconds(Int64.max), .max),
        ] as [(Duration, UInt64)])
    func `a duration in nanoseconds is rounded up and clamped`(duration: Duration, nanoseconds: UInt64) {
        #expect(duration.nanosecondsClamped == nanoseconds)
    }

    @Test func `a turn's time lies between the turn's begin and now`() async throws {
        try await onHub {
            try await sleep(for: .nanoseconds(1))
            let hub = Hub.current!
            let first = hub.turnTime
            #expect(.nanoseconds(Int64(first)) <= hub.now)
            try await sleep(for: .milliseconds(1))
            #expect(hub.turnTime >= first + 1_000_000)
        }
    }
}
