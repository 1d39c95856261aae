import EpollLoop
import Foundation
import GuestWork
import Synchronization
import Tandem
import Testing

/// A hub as a guest on a loop around epoll(7), in this process.
@Suite(.timeLimit(.minutes(1)))
struct EpollGuestTests {
    @Test(arguments: GuestWork.allCases) func `work is done on the loop's thread`(work: GuestWork) async throws {
        try await withGuest { try await work.run() }
    }

    @Test func `the loop serves its own descriptors while the guest has work at all times`() async throws {
        let ticks = Mutex(0)
        try await withGuest(onTick: { ticks.withLock { $0 += 1 } }) {
            // A task that is always ready. A turn runs only so many jobs, so the loop goes round.
            while ticks.withLock({ $0 }) < 5 { await Task.yield() }
        }
    }

    @Test func `a guest with nothing to do leaves the loop asleep`() async throws {
        let turns = try await withGuest { try await sleep(for: .milliseconds(100)) }
        #expect(turns < 10, "\(turns) turns for one sleep")
    }

    @Test func `several guests on one loop stay apart`() async throws {
        try await onThread {
            let loop = try EpollLoop()
            let guests = try (0..<3).map { _ in try GuestHub(watchable()) }
            let left = Mutex(guests.count)
            for guest in guests {
                let hub = guest.hub
                hub.spawn {
                    for work in GuestWork.allCases { try await work.run() }
                    #expect(Hub.current === hub)
                    left.withLock { $0 -= 1 }
                }
                try loop.watch(guest.fd) {
                    guest.turn()
                    if left.withLock({ $0 }) == 0 { loop.stop() }
                }
            }
            try loop.run()
            for guest in guests {
                loop.forget(guest.fd)
                guest.stop()
            }
        }
    }

    @Test func `a guest that stops cancels what waits, in both styles`() async throws {
        try await onThread {
            let loop = try EpollLoop()
            let guest = try GuestHub(watchable())
            let cancelled = Mutex(0)
            let began = Mutex(0)
            let wait: @Sendable () throws -> Void = {
                began.withLock { $0 += 1 }
                do { try Event<Void>().wait() } catch is CancellationError { cancelled.withLock { $0 += 1 } }
            }
            for _ in 0..<10 {
                GreenThread(on: guest.hub) { try wait() }
                guest.hub.spawn { try await blocking { try wait() } }
            }
            try loop.watch(guest.fd) {
                guest.turn()
                if began.withLock({ $0 }) == 20 { loop.stop() }
            }
            try loop.run()
            loop.forget(guest.fd)
            guest.stop()
            #expect(cancelled.withLock { $0 } == 20)
        }
    }

    /// Runs `body` in a task on a guest, on a loop in a thread of its own. Returns how often the loop called `turn`.
    @discardableResult
    private func withGuest(
        onTick: @escaping @Sendable () -> Void = {}, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> Int {
        try await onThread {
            let loop = try EpollLoop()
            try loop.every(milliseconds: 2, onTick)
            let guest = try GuestHub(watchable())
            let thread = GreenThreadIdentity.osThread
            let outcome = Mutex<Result<Void, any Error>?>(nil)
            guest.hub.spawn {
                let isOnLoop = GreenThreadIdentity.osThread == thread
                #expect(isOnLoop)
                do {
                    try await body()
                    outcome.withLock { $0 = .success(()) }
                } catch {
                    outcome.withLock { $0 = .failure(error) }
                }
            }
            var turns = 0
            try loop.watch(guest.fd) {
                #expect(Hub.current == nil, "between turns the thread is the loop's")
                guest.turn()
                turns += 1
                if outcome.withLock({ $0 != nil }) { loop.stop() }
            }
            try loop.run()
            loop.forget(guest.fd)
            guest.stop()
            try outcome.withLock { $0 }!.get()
            return turns
        }
    }
}

/// A configuration whose poller another loop can watch, whatever the environment asks for.
private func watchable() -> HubConfiguration {
    var configuration = HubConfiguration()
    configuration.poller = .epoll
    return configuration
}

/// Runs `body` on a new thread.
private func onThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}
