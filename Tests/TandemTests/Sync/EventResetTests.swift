internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct EventResetTests {
    @Test(arguments: Caller.allCases)
    func `a reset event can be sent again, and forgets an error`(caller: Caller) async throws {
        try await onHub {
            let event = Event<Int>()
            let wait = { @Sendable in try await caller.call({ try await event.wait() }, blocking: { try event.wait() }) }
            event.fail(Failure())
            await #expect(throws: Failure()) { try await wait() }
            event.reset()
            #expect(event.outcome == nil)
            let waiter = Hub.current!.spawn { try await wait() }
            try await turnUntil { event.waiting == 1 }
            #expect(event.send(2))
            #expect(!event.send(3))
            #expect(try await waiter.value == 2)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a waiter gets the value even when a reset follows before it runs`(caller: Caller) async throws {
        try await onHub {
            let event = Event<Int>()
            let waiter = Hub.current!.spawn { try await caller.call({ try await event.wait() }, blocking: { try event.wait() }) }
            try await turnUntilParked(1)
            event.send(1)
            event.reset()
            event.send(2)
            event.reset()
            #expect(try await waiter.value == 1)
        }
    }

    @Test func `a value that uses the event in its deinit is released outside the lock`() {
        final class Asks: Sendable {
            let event: Event<Asks>
            init(_ event: Event<Asks>) { self.event = event }
            deinit { _ = event.outcome }
        }
        let event = Event<Asks>()
        event.send(Asks(event))
        event.reset()
        #expect(event.outcome == nil)
    }
}
