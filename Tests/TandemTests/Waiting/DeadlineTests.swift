internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1))) struct DeadlineTests {
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

    @Test func `on a hub with a virtual clock, the rest of a real deadline counts on that clock`() async throws {
        let deadline = Deadline.after(.seconds(3_600))
        let took = try await ContinuousClock().measure {
            let group = try HubGroup(count: 1, configuration: virtual())
            let passed = try await group.hubs[0].spawn {
                let began = Hub.current!.now
                let remaining = try #require(deadline.remaining)
                #expect(remaining > .seconds(3_000))
                await #expect(throws: TandemError(.timedOut, "")) { try await Event<Void>().wait(deadline: deadline) }
                return Hub.current!.now - began
            }.value
            await group.shutdown()
            #expect(passed > .seconds(3_590) && passed <= .seconds(3_600), "\(passed)")
        }
        #expect(took < .seconds(60))
    }

    @Test func `a deadline of a virtual clock traps on the real clock`() async {
        await #expect(processExitsWith: .failure) {
            let group = try HubGroup(count: 1, configuration: virtual())
            let deadline = try await group.hubs[0].spawn { () async in Deadline.after(.seconds(1)) }.value
            await group.shutdown()
            try await Event<Void>().wait(deadline: deadline)
        }
    }

    @Test func `never is never on both clocks`() async throws {
        let group = try HubGroup(count: 1, configuration: virtual())
        let never = try await group.hubs[0].spawn { () async in Deadline.after(.seconds(Int64.max)) }.value
        await group.shutdown()
        #expect(never == .never)
        #expect(Deadline.never.remaining == nil)
        #expect(Deadline.never > .after(.seconds(3_600)))
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

private func virtual() -> HubConfiguration {
    var configuration = HubConfiguration()
    configuration.clock = .virtual
    return configuration
}
