import Dispatch
import Hummingbird
import NIOPosix
import Synchronization

/// The same handlers as `TandemRoutes`, with a thread pool: blocking code holds a thread of the pool until it returns.
struct PoolRoutes {
    let pool: NIOThreadPool
    let rates: OldRates
    let margins: Margins
    /// The time after which work on the pool stops waiting for other work on the pool.
    let patience: Duration

    func add(to router: Router<BasicRequestContext>) {
        router.get("/pool/rates/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return "\(try await pool.runIfActive { try rates.rate(of: currency) })\n"
        }
        // A call that has begun does not notice the cancellation.
        router.get("/pool/watched/:currency") { request, context in
            let currency = try context.parameters.require("currency")
            return try await request.body.consumeWithCancellationOnInboundClose { _ in
                "\(try await pool.runIfActive { try rates.rate(of: currency) })\n"
            }
        }
        // The group waits for both answers, although it has cancelled one of the calls.
        router.get("/pool/first/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await withThrowingTaskGroup { group in
                for _ in 1...2 { group.addTask { try await pool.runIfActive { try rates.rate(of: currency) } } }
                let first = try await group.next()!
                group.cancelAll()
                return "\(first)\n"
            }
        }
        // Blocking code that calls async code: a thread of the pool waits for a new task.
        router.get("/pool/quotes/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await pool.runIfActive {
                let rate = try rates.rate(of: currency)
                let margin = try waitForTask { try await margins.margin(of: currency) }
                return "\(rate + margin)\n"
            }
        }
        // Blocking code that waits for other blocking code, which needs another thread of the pool.
        router.get("/pool/nested/:currency") { _, context in
            let currency = try context.parameters.require("currency")
            return try await pool.runIfActive {
                let rate = try rates.rate(of: currency)
                return "\(rate + (try waitForWork { try rates.rate(of: currency) }))\n"
            }
        }
        router.get("/pool/caller") { _, _ in
            try await pool.runIfActive {
                let below = try waitForTask { await callerInAsyncCode() }
                return "\(Caller.name) \(below)\n"
            }
        }
        router.get("/pool/threads") { _, _ in
            let before = currentThread()
            let inside = try await pool.runIfActive { currentThread() }
            return "\(before) \(inside) \(currentThread())\n"
        }
        router.get("/pool/nothing") { _, _ in try await pool.runIfActive { "0\n" } }
    }

    /// Blocks the calling thread until a new task has run `operation`.
    private func waitForTask<Success: Sendable>(_ operation: @escaping @Sendable () async throws -> Success) throws -> Success {
        let outcome = Outcome<Success>()
        Task {
            do { outcome.set(.success(try await operation())) } catch { outcome.set(.failure(error)) }
        }
        return try outcome.wait(timeout: .distantFuture)!.get()
    }

    /// Blocks the calling thread until another thread of the pool has run `work`.
    private func waitForWork<Success: Sendable>(_ work: @escaping @Sendable () throws -> Success) throws -> Success {
        let outcome = Outcome<Success>()
        pool.submit { _ in outcome.set(Result(catching: work)) }
        let limit = DispatchTime.now() + .milliseconds(Int(patience / .milliseconds(1)))
        guard let result = outcome.wait(timeout: limit) else { throw RateError.poolExhausted }
        return try result.get()
    }
}

/// A result for which a thread waits.
private final class Outcome<Success: Sendable>: Sendable {
    private let result = Mutex<Result<Success, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func set(_ result: Result<Success, any Error>) {
        self.result.withLock { $0 = result }
        done.signal()
    }

    /// Returns the result, or nil if the time is over.
    func wait(timeout: DispatchTime) -> Result<Success, any Error>? {
        guard done.wait(timeout: timeout) == .success else { return nil }
        return result.withLock { $0 }
    }
}
