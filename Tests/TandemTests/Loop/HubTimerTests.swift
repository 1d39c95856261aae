internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubTimerTests {
    @Test func `a rearmed timer fires once, at the new deadline`() async throws {
        try await onHub {
            let hub = Hub.current!
            let order = Recorder<String>()
            let timers = ["brought forward", "marker", "put off", "forgotten"].map { name in HubTimer(on: hub) { order.add(name) }
            }
            let start = Deadline.after(.milliseconds(10))
            timers[0].arm(.after(forever))
            timers[1].arm(start)
            timers[2].arm(.after(.milliseconds(1)))
            timers[3].arm(.after(.milliseconds(1)))
            timers[0].arm(.after(.milliseconds(2)))
            timers[2].arm(.after(.milliseconds(20)))
            for _ in 0..<2 { timers[3].disarm() }
            #expect(hub.statistics.timers == 3)
            try await turnUntil { order.count == 3 }
            #expect(order.all == ["brought forward", "marker", "put off"])
            #expect(hub.statistics.timers == 0)
            // A timer that has fired may be armed again.
            timers[3].arm(.after(.zero))
            try await turnUntil { order.count == 4 }
            withExtendedLifetime(timers) {}
        }
    }

    @Test func `close deadlines share one wake-up, and none fires early`() async throws {
        try await onHub {
            let hub = Hub.current!
            let start = Deadline.after(.milliseconds(100))
            let deadlines = (0..<200).map { Deadline(nanoseconds: start.nanoseconds + $0 * 50_000) }
            let fired = Recorder<(turn: UInt64, isEarly: Bool)>()
            let timers = deadlines.map { deadline in
                let timer = HubTimer(on: hub) { fired.add((hub.statistics.turns, hub.clockTime < deadline.nanoseconds)) }
                timer.arm(deadline)
                return timer
            }
            try await turnUntil { fired.count == timers.count }
            #expect(fired.all.allSatisfy { !$0.isEarly })
            // The deadlines span 10 ms, which is 9.5 intervals of 2^20 ns.
            #expect(Set(fired.all.map(\.turn)).count <= 11)
            withExtendedLifetime(timers) {}
        }
    }

    @Test func `two thousand deadlines set and removed at once leave none behind`() async throws {
        try await onHub {
            for turns in [0, 1] {
                let event = Event<Void>()
                let waiters = (0..<2_000).map { number in
                    Hub.current!.spawn {
                        let deadline = Deadline.after(forever)
                        if number.isMultiple(of: 2) {
                            try await event.wait(deadline: deadline)
                        } else {
                            try await blocking { try event.wait(deadline: deadline) }
                        }
                    }
                }
                try await turnUntilParked(2_000)
                #expect(Hub.counts.timers == 2_000)
                event.send(())
                for _ in 0..<turns { try await sleep(for: .zero) }
                for waiter in waiters { try await waiter.value }
                #expect(Hub.counts.timers == 0)
            }
        }
    }

    @Test func `a timer that is released while armed never fires`() async throws {
        try await onHub {
            let box = Box<HubTimer>()
            box.value = HubTimer(on: Hub.current!) { Issue.record("fired") }
            box.value!.arm(.after(.microseconds(1)))
            box.value = nil
            #expect(Hub.counts.timers == 0)
            try await sleep(for: .milliseconds(1))
        }
    }

    @Test func `a handler may wake, spawn, arm and disarm, and other due timers fire in the same turn`() async throws {
        try await onHub {
            let hub = Hub.current!
            let order = Recorder<String>()
            let event = Event<Void>()
            let past = Deadline.after(.zero)
            let waiter = GreenThread {
                try event.wait()
                order.add("woken")
            }
            try await turnUntilParked(1)
            let victim = HubTimer(on: hub) { Issue.record("disarmed, and fired") }
            let first = HubTimer(on: hub) {
                event.send(())
                hub.spawn { order.add("spawned") }
                GreenThread { order.add("green") }
                victim.disarm()
                order.add("first")
            }
            let second = HubTimer(on: hub) { order.add("second") }
            first.arm(past)
            victim.arm(past)
            second.arm(past)
            try await turnUntil { order.count == 5 }
            #expect(Array(order.all.prefix(2)) == ["first", "second"])
            #expect(Set(order.all) == ["first", "second", "woken", "spawned", "green"])
            try await waiter.wait()
            withExtendedLifetime((first, second, victim)) {}
        }
    }

    @Test func `a distant timer does not keep its hub from ending`() async throws {
        final class Holder {
            let timer: HubTimer
            init() {
                timer = HubTimer(on: Hub.current!) { Issue.record("fired") }
                timer.arm(.after(forever))
            }
        }
        try await onThread { try Hub.run { _ = Hub.current!.local(Holder.self) { Holder() } } }
    }
}
