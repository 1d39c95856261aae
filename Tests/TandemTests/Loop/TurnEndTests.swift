internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TurnEndTests {
    /// The events of one turn, in order.
    private final class Log: Sendable {
        private let events = Recorder<String>()
        func add(_ event: String) { events.add(event) }
        var all: [String] { events.all }
    }

    @Test func `a handler runs once after the ready jobs of the turn, however often it is armed`() async throws {
        try await onHub {
            let hub = Hub.current!
            let log = Log()
            let end = TurnEnd(on: hub) { log.add("end of turn \(hub.statistics.turns)") }
            let turn = hub.statistics.turns
            for number in 1...3 {
                hub.spawn { [end = Loan(end)] in
                    end.value.arm()
                    log.add("job \(number) of turn \(hub.statistics.turns)")
                    end.value.arm()
                }
            }
            for _ in 0..<5 { try await sleep(for: .nanoseconds(1)) }
            #expect(log.all == (1...3).map { "job \($0) of turn \(turn)" } + ["end of turn \(turn)"])
        }
    }

    @Test func `a handler armed by a timer runs in the same turn, before the kernel is asked`() async throws {
        try await onHub {
            let hub = Hub.current!
            let log = Log()
            let end = TurnEnd(on: hub) { log.add("end, polls \(hub.pulse.pointee.polls)") }
            let timer = HubTimer(on: hub) {
                end.arm()
                log.add("timer, polls \(hub.pulse.pointee.polls)")
                hub.spawn { log.add("job, polls \(hub.pulse.pointee.polls)") }
            }
            timer.arm(.after(.milliseconds(1)))
            try await sleep(for: .milliseconds(3))
            let polls = log.all.first.map { $0.dropFirst("timer, polls ".count) } ?? "never"
            #expect(log.all == ["timer, polls \(polls)", "job, polls \(polls)", "end, polls \(polls)"])
            withExtendedLifetime(timer) {}
        }
    }

    @Test func `handlers run in the order of arming, except disarmed and released ones`() async throws {
        try await onHub {
            let hub = Hub.current!
            let log = Log()
            var ends = (0..<6).map { number in TurnEnd(on: hub) { log.add("\(number)") } }
            for number in [3, 0, 5, 2, 4, 1] { ends[number].arm() }
            ends[3].disarm()
            ends[1].disarm()
            ends.remove(at: 2)
            for _ in 0..<3 { try await sleep(for: .nanoseconds(1)) }
            #expect(log.all == ["0", "5", "4"])
            // A disarmed handler may be armed again.
            ends[1].arm()
            try await sleep(for: .nanoseconds(1))
            #expect(log.all == ["0", "5", "4", "1"])
        }
    }

    @Test func `a handler armed by a handler runs at the end of the next turn, without a sleep before it`() async throws {
        try await onHub {
            let hub = Hub.current!
            let turns = Recorder<UInt64>()
            let box = Box<TurnEnd>()
            let end = TurnEnd(on: hub) {
                turns.add(hub.statistics.turns)
                if turns.count < 5 { box.value!.arm() }
            }
            box.value = end
            let start = hub.statistics.turns
            end.arm()
            // The hub has nothing else to do until this sleep ends.
            try await sleep(for: .milliseconds(20))
            #expect(turns.all == (start..<(start + 5)).map { $0 })
            box.value = nil
        }
    }

    @Test func `a job woken by a handler runs in the next turn, without a sleep before it`() async throws {
        try await onHub {
            let hub = Hub.current!
            let parker = Parker()
            let turns = Recorder<UInt64>()
            let end = TurnEnd(on: hub) {
                turns.add(hub.statistics.turns)
                parker.unpark()
            }
            end.arm()
            try await parker.park()
            turns.add(hub.statistics.turns)
            #expect(turns.all == [turns.all[0], turns.all[0] + 1])
        }
    }

    @Test func `a guest hub runs the handler in the turn that armed it`() async throws {
        try await onThread {
            var configuration = HubConfiguration()
            configuration.poller = .epoll
            let guest = try GuestHub(configuration)
            let runs = Counter()
            guest.hub.spawn {
                let end = Loan(TurnEnd(on: Hub.current!) { runs.add() })
                end.value.arm()
                try await sleep(for: forever)
            }
            guest.turn()
            #expect(runs.value == 1)
            guest.turn()
            #expect(runs.value == 1)
            guest.stop()
        }
    }

    @Test func `an unwinding hub still runs the handler`() async throws {
        final class Holder {
            let end: TurnEnd
            init(_ runs: Counter) { end = TurnEnd(on: Hub.current!) { runs.add() } }
        }
        let runs = Counter()
        try await onThread {
            try Hub.run {
                // The holder lives as long as the hub.
                let holder = Loan(Hub.current!.local(Holder.self) { Holder(runs) })
                let started = Event<Void>()
                Hub.current!.spawn {
                    started.send(())
                    do { try await sleep(for: forever) } catch { holder.value.end.arm() }
                }
                try await started.wait()
            }
        }
        #expect(runs.value == 1)
    }

    @Test func `a handler released with its hub never runs`() async throws {
        final class Holder {
            let end: TurnEnd
            init() { end = TurnEnd(on: Hub.current!) { Issue.record("ran") } }
            deinit { end.arm() }
        }
        try await onThread { try Hub.run { _ = Hub.current!.local(Holder.self) { Holder() } } }
    }
}
