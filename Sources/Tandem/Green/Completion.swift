internal import Synchronization

/// The end of a green thread. Calls the linked handlers one after the other, then wakes the callers that wait for the thread. If
/// the thread failed and its last reference goes away before anyone has asked for the outcome, the hub reports the error.
final class Completion<Success: Sendable>: Sendable {
    let ended = Event<Success>(waitedForAs: "GreenThread.wait")
    private let links = CompletionLinks()
    /// Whether anyone has asked for the outcome.
    private let isObserved = Atomic<Bool>(false)
    /// The thread and its hub, if its body failed for a reason other than cancellation.
    private let failed = Mutex<FailedThread?>(nil)

    deinit {
        guard !isObserved.load(ordering: .relaxed), let failed = failed.withLock({ $0 }), case .failure(let error) = ended.outcome
        else { return }
        failed.hub.report(.failed, "green thread '\(failed.name)' failed, and nobody waited for it: \(error)")
    }

    func observe() { isObserved.store(true, ordering: .relaxed) }

    /// Called once, where the thread ended, with the outcome of its body, or the reason why the body never ran.
    @inline(never)  // frame
    func end(
        _ outcome: Result<Success, any Error>?, _ neverRan: (any Error)?, thread name: GreenThreadName,
        _ reason: CancellationReason, _ hub: Hub
    ) {
        if case .failure(let error) = outcome, !(error is CancellationError), reason.error == nil {
            failed.withLock { $0 = FailedThread(name, on: hub) }
        }
        end((outcome ?? .failure(neverRan!)).mapError { reason.told($0, of: name) })
    }

    /// Called once, where the thread ended. Handlers that are linked during this call are called by it too, after the others.
    func end(_ outcome: Result<Success, any Error>) {
        while let handler = links.next(orSettle: { ended.settle(outcome) }) { handler(outcome) }
    }

    @discardableResult
    func link(_ handler: @escaping @Sendable (Result<Success, any Error>) -> Void) -> CompletionLink {
        let erased: CompletionLinks.Handler = { handler($0 as! Result<Success, any Error>) }
        switch links.add(erased) {
        case .linked(let key): return CompletionLink { self.links.remove(key) }
        case .toBeCalled:
            end(ended.outcome!)
            return CompletionLink { false }
        case .busy:
            handler(ended.outcome!)
            return CompletionLink { false }
        }
    }
}

/// The name and hub of a green thread whose body has thrown.
final class FailedThread: Sendable {
    let hub: Hub
    let name: GreenThreadName

    init(_ name: GreenThreadName, on hub: Hub) {
        self.hub = hub
        self.name = name
    }
}
