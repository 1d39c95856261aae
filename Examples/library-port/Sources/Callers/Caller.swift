internal import Foundation
public import RegistryModel
public import Tandem

/// The kind of code that calls the library.
public enum Caller: String, CaseIterable, Sendable, CustomStringConvertible {
    /// Blocking code on an OS thread of its own.
    case osThread
    /// Blocking code on a green thread of a hub.
    case greenThread
    /// Async code on a hub.
    case hub
    /// Async code on Swift's own threads.
    case pool

    /// The name.
    public var description: String { rawValue }

    /// Whether the code runs on a hub.
    public var isOnHub: Bool { self == .greenThread || self == .hub }

    /// Starts a call.
    ///
    /// - Parameters:
    ///   - subject: The registry.
    ///   - ask: The call.
    ///   - hub: The hub of a caller that runs on one.
    public func call(_ subject: any Subject, _ ask: Ask, on hub: @autoclosure () -> Hub) -> Call<RegistryValue> {
        // Stage 0 does not see that its green thread was cancelled. So its caller uses the cancellation.
        start(
            on: hub(), cancelsGreenThread: !(subject is Stage0),
            blocking: { try subject.blockingCall(ask, $0) }, async: { try await subject.asyncCall(ask) })
    }

    /// Starts code of this kind: `blocking` or `async`.
    public func start<Success: Sendable>(
        on hub: @autoclosure () -> Hub, cancelsGreenThread: Bool = true,
        blocking: @escaping @Sendable (Cancellation) throws -> Success, async: @escaping @Sendable () async throws -> Success
    ) -> Call<Success> {
        let cancellation = Cancellation()
        switch self {
        case .osThread:
            let outcome = Event<Success>()
            Thread.detachNewThread {
                do { outcome.send(try blocking(cancellation)) } catch { outcome.fail(error) }
            }
            return Call(wait: { try await outcome.wait() }, stop: cancellation.cancel)
        case .greenThread:
            let thread = GreenThread(on: hub()) { try blocking(cancellation) }
            let stop: @Sendable () -> Void = { cancelsGreenThread ? thread.cancel() : cancellation.cancel() }
            return Call(wait: { try await value(of: thread) }, stop: stop)
        case .hub:
            let task = hub().spawn { try await async() }
            return Call(wait: { try await task.value }, stop: task.cancel)
        case .pool:
            let task = Task.detached { try await async() }
            return Call(wait: { try await task.value }, stop: task.cancel)
        }
    }
}

/// Waits for a green thread. If it was cancelled, throws what the other kinds of callers throw.
private func value<Success>(of thread: GreenThread<Success>) async throws -> Success {
    do { return try await thread.wait() } catch let error as TandemError where error.code == .threadCancelled {
        throw CancellationError()
    }
}

/// A call in flight.
public struct Call<Success: Sendable>: Sendable {
    fileprivate let wait: @Sendable () async throws -> Success
    fileprivate let stop: @Sendable () -> Void

    /// The value of the call. Throws `TandemError` `timedOut` after 30 seconds, so that no test waits for ever.
    public var value: Success {
        get async throws {
            let outcome = Event<Success>()
            Task.detached { [wait] in
                do { outcome.send(try await wait()) } catch { outcome.fail(error) }
            }
            return try await outcome.wait(deadline: .after(.seconds(30)))
        }
    }

    /// Cancels the call, by the means of its caller.
    public func cancel() { stop() }
}
