internal import Synchronization

@testable import Tandem

/// The way a body is made to end: the columns of the table in docs/cancellation.md.
enum Cause: String, CaseIterable, Sendable {
    case cancel = "`cancel()`"
    case cancelThrowing = "`cancel(throwing: e)`"
    case timeout = "`withTimeout` expires"
    case ownError = "it fails by itself"
}

/// The place of the body when that happens: the rows of the table.
enum Situation: String, CaseIterable, Sendable {
    case beforeStart = "before its first step"
    case delayed = "in its delay, `after:`"
    case sleep = "`sleep`"
    case read = "`Descriptor.read`"
    case write = "`Descriptor.write`"
    case streamRead = "`readLine` of a stream"
    case streamWrite = "`write` of a stream"
    case accept = "`accept` of a listener"
    case connect = "`TCPStream.connect`"
    case parker = "`Parker.park`"
    case event = "`Event.wait`"
    case semaphore = "`Semaphore.acquire`"
    case queueGet = "`Queue.get`"
    case queuePut = "`Queue.put`"
    case queueJoin = "`Queue.join`"
    case poolSpawn = "`GreenPool.spawn`"
    case poolWaitAll = "`GreenPool.waitAll`"
    case mapNext = "`PoolMap.next`"
    case elements = "`blockingElements`"
    case threadWait = "`GreenThread.wait`"
    case offload = "`offload`"
    case awaitingFirst = "`awaiting`, before its first suspension"
    case awaitingSuspended = "`awaiting`, suspended"
    case awaitingForeign = "`awaiting`, suspended in foreign code"
    case nested = "`blocking` inside `awaiting`"
    case timeoutScope = "inside a `withTimeout` that does not expire"
    case cleanup = "cleanup that waits, after an error `f`"
    case shieldedCleanup = "the same in `withCancellationShield`"
    case again = "cleanup after a first one: the same comes again"
    case againOtherwise = "cleanup after a first one: the other `cancel` comes"
    case suppressed = "`awaiting` a callee that suppresses it"

    /// Whether the situation depends on another thread.
    var needsThreads: Bool { self == .offload || self == .awaitingForeign }
}

/// A cell of the table: what the body sees at its line, and what its waiter gets.
struct Outcome: Equatable, Sendable, CustomStringConvertible {
    var sees: String
    var gets: String

    init(_ sees: String, _ gets: String) { (self.sees, self.gets) = (sees, gets) }

    var description: String { "\(sees) → \(gets)" }

    /// The name of an error in the table.
    static func name(_ error: any Error) -> String {
        switch error {
        case is CancellationError: "`CancellationError`"
        case let error as TandemError: "`\(error.code)`"
        case let error as Failure: error.number == 0 ? "`e`" : "`f`"
        default: "\(error)"
        }
    }
}

extension Situation {
    /// The expected outcome; nil where the combination has no meaning.
    func expected(_ cause: Cause) -> Outcome? {
        let usual =
            switch cause {
            case .cancel: Outcome("`CancellationError`", "`threadCancelled`")
            case .cancelThrowing, .ownError: Outcome("`e`", "`e`")
            case .timeout: Outcome("`CancellationError`", "`timedOut`")
            }
        switch (self, cause) {
        case (.delayed, .timeout), (.againOtherwise, .timeout): return nil
        case (.beforeStart, .ownError), (.delayed, .ownError), (.sleep, .ownError), (.parker, .ownError),
            (.connect, .ownError):
            return nil
        case (.semaphore, .ownError), (.queueJoin, .ownError), (.poolSpawn, .ownError), (.poolWaitAll, .ownError): return nil
        case (.awaitingForeign, .ownError), (.again, .ownError), (.againOtherwise, .ownError): return nil
        // The body of a scope that has expired before it began runs to its first wait.
        case (.beforeStart, .cancel), (.beforeStart, .cancelThrowing): return Outcome("never runs", usual.gets)
        case (.delayed, _): return Outcome("never runs", usual.gets)
        case (.read, .ownError), (.write, .ownError), (.queuePut, .ownError), (.streamRead, .ownError),
            (.streamWrite, .ownError), (.accept, .ownError):
            return Outcome("`closed`", "`closed`")
        case (.shieldedCleanup, .ownError): return usual
        case (.shieldedCleanup, _): return Outcome("`f`", "`f`")
        case (.suppressed, _): return Outcome("nothing", "its result")
        default: return usual
        }
    }

    /// The time limit of a scope that expires in this situation. Where nothing suspends, it must have expired before.
    var limit: Duration { self == .beforeStart || self == .awaitingFirst ? .zero : .milliseconds(2) }
}

/// One body, with its recorded results and the events that drive it.
final class Scene: Sendable {
    let situation: Situation
    let cause: Cause
    /// Sent when the body is about to suspend; never sent if the body does not run.
    let entered = Event<Void>()
    /// Sent when the body has caught the first of two cancels.
    let caughtFirst = Event<Void>()
    /// Sent when the second cancel has been made.
    let second = Event<Void>()
    let saw = Recorder<String>()
    let cleanups = Counter()
    let itself = Event<GreenThread<String>>()
    private let fail = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ situation: Situation, _ cause: Cause) { (self.situation, self.cause) = (situation, cause) }

    /// Brings about `cause`. Only for bodies that run on a green thread.
    func strike(_ cause: Cause) throws {
        switch cause {
        case .cancel: try itself.outcome!.get().cancel()
        case .cancelThrowing: try itself.outcome!.get().cancel(throwing: Failure())
        case .ownError: fail.withLock { $0 }!()
        case .timeout: break
        }
    }

    /// The body: blocking code that always cleans up.
    @available(*, noasync)
    func body() throws -> String {
        defer { cleanups.add() }
        do {
            try wait()
            return "its result"
        } catch {
            saw.add(Outcome.name(error))
            throw error
        }
    }

    /// Notes that the next call suspends.
    private func enter(_ fail: @escaping @Sendable () -> Void = {}) {
        self.fail.withLock { $0 = fail }
        entered.send(())
    }

    @available(*, noasync)
    private func wait() throws {
        let source = Event<Void>()
        let fail: @Sendable () -> Void = { source.fail(Failure()) }
        switch situation {
        case .beforeStart, .delayed, .sleep:
            enter()
            try Tandem.sleep(for: forever)
        case .read, .write:
            let (a, b) = try descriptorPair(bufferSize: 4096)
            defer {
                a.close()
                b.close()
            }
            let loan = Loan(a)
            enter { loan.value.close() }
            if situation == .read {
                _ = try a.receive() as String
            } else {
                try [UInt8](repeating: 1, count: 1 << 20).withUnsafeBytes { try a.write($0) }
            }
        case .streamRead, .streamWrite:
            let (a, b) = try streamPair(bufferSize: 4096)
            defer { b.close() }
            enter { a.close() }
            if situation == .streamRead {
                _ = try a.readLine()
            } else {
                try a.write([UInt8](repeating: 1, count: 1 << 20))
            }
        case .accept:
            let listener = try TCPListener(port: 0)
            enter { listener.close() }
            _ = try listener.accept()
        case .connect:
            let hole = try BlackHole()
            defer { hole.close() }
            enter()
            _ = try TCPStream.connect(to: hole.endpoint)
        case .parker:
            enter()
            try Parker().park()
        case .event:
            enter(fail)
            try source.wait()
        case .semaphore:
            enter()
            try Semaphore(0).acquire()
        case .queueGet, .queuePut, .queueJoin, .elements: try waitAtQueue()
        case .poolSpawn, .poolWaitAll, .mapNext, .threadWait: try waitForOthers(source, fail)
        case .offload:
            defer { source.send(()) }
            enter(fail)
            try Tandem.offload { try source.wait() }
        case .awaitingFirst:
            try awaiting {
                entered.send(())
                if cause == .ownError { throw Failure() }
                try strike(cause)
                try await source.wait()
            }
        case .awaitingSuspended:
            try awaiting {
                await Task.yield()
                enter(fail)
                try await source.wait()
            }
        case .awaitingForeign:
            try awaiting {
                enter()
                try await Task.sleep(for: forever)
            }
        case .nested:
            try awaiting {
                try await blocking {
                    try awaiting {
                        try await blocking {
                            enter(fail)
                            try source.wait()
                        }
                    }
                }
            }
        case .timeoutScope:
            try withTimeout(forever) {
                enter(fail)
                try source.wait()
            }
        case .cleanup, .shieldedCleanup, .again, .againOtherwise: try cleanUp(source, fail)
        case .suppressed:
            try awaiting {
                enter(fail)
                try? await source.wait()
            }
        }
    }

    @available(*, noasync)
    private func waitAtQueue() throws {
        let queue = Queue<Int>(capacity: situation == .queuePut ? 0 : 1)
        if situation == .queueJoin { _ = try queue.tryPut(1) }
        enter { queue.close(throwing: Failure()) }
        switch situation {
        case .queuePut: try queue.put(1)
        case .queueJoin: try queue.join()
        case .elements: for element in queue.blockingElements() { _ = try element.get() }
        default: _ = try queue.get()
        }
    }

    /// The callees outlive the wait for them. Here they are ended and waited for.
    @available(*, noasync)
    private func waitForOthers(_ source: Event<Void>, _ fail: @escaping @Sendable () -> Void) throws {
        let pool = GreenPool(limit: 1)
        defer {
            source.send(())
            try? withCancellationShield { try pool.waitAll() }
        }
        if situation == .mapNext {
            var map = pool.map([1]) { _ in try source.wait() }
            enter(fail)
            return _ = try map.next()
        }
        let member = try pool.spawn { try source.wait() }
        enter(fail)
        switch situation {
        case .poolSpawn: try pool.spawn {}
        case .poolWaitAll: try pool.waitAll()
        default: try member.wait()
        }
    }

    @available(*, noasync)
    private func cleanUp(_ source: Event<Void>, _ fail: @escaping @Sendable () -> Void) throws {
        switch situation {
        case .cleanup:
            do { throw Failure(number: 1) } catch {
                enter(fail)
                try source.wait()
            }
        case .shieldedCleanup:
            do { throw Failure(number: 1) } catch let first {
                // Continues after the cancellation, which the shield hides.
                try awaiting {
                    try await withTaskCancellationHandler {
                        try await withCancellationShield {
                            enter(fail)
                            try await source.wait()
                            try await Tandem.sleep(for: .zero)
                        }
                    } onCancel: {
                        source.send(())
                    }
                }
                throw first
            }
        default:
            do {
                enter()
                try source.wait()
            } catch let first {
                caughtFirst.send(())
                try withCancellationShield { try second.wait() }
                throw first
            }
        }
    }
}
