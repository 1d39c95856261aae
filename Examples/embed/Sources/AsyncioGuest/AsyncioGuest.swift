// A hub as a guest on Python's asyncio: see guest.py, which loads this as a library and runs it.
import GuestWork
import Tandem

// Python calls all of these on one thread, its event loop's.
nonisolated(unsafe) private var guest: GuestHub?

/// Makes the calling thread a hub's. Returns the number that the event loop shall watch for reading, or -1.
@c(tandem_guest_start)
public func start() -> CInt {
    do {
        var configuration = HubConfiguration()
        // One that another loop can watch, whatever the environment asks for.
        configuration.poller = .epoll
        let started = try GuestHub(configuration)
        guest = started
        return started.fd
    } catch {
        print("cannot start: \(error)")
        return -1
    }
}

/// What the event loop calls when that number is readable.
@c(tandem_guest_turn)
public func turn() { guest?.turn() }

/// Ends the hub. The event loop watches its number no more.
@c(tandem_guest_stop)
public func stop() {
    guest?.stop()
    guest = nil
}

/// Blocking code, years old, which knows no asyncio: it sleeps, and calls an async function, which calls blocking code. It adds
/// up `count` numbers, one each 10 ms, and hands the sum and its OS thread to `done`.
@c(tandem_guest_add)
public func add(_ count: CInt, _ context: CInt, _ done: @convention(c) (CInt, CInt, CInt) -> Void) {
    GreenThread(name: "adder", on: guest!.hub) {
        var sum: CInt = 0
        for number in 1...count {
            try sleep(for: .milliseconds(5))
            sum += try awaiting { try await slow(number) }
        }
        done(context, sum, CInt(GreenThreadIdentity.osThread))
    }
}

private func slow(_ value: CInt) async throws -> CInt {
    try await blocking {
        try sleep(for: .milliseconds(5))
        return value
    }
}

/// Does one piece of `GuestWork`, by its number, and hands 1 to `done` if it went well, 0 if not, and its OS thread.
@c(tandem_guest_work)
public func work(_ number: CInt, _ context: CInt, _ done: @convention(c) (CInt, CInt, CInt) -> Void) {
    guest!.hub.spawn {
        var isDone: CInt = 0
        do {
            try await GuestWork(rawValue: Int(number))!.run()
            isDone = 1
        } catch {
            print("failed: \(error)")
        }
        done(context, isDone, CInt(GreenThreadIdentity.osThread))
    }
}
