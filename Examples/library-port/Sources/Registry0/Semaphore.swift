internal import RegistryModel
internal import Synchronization

/// A number of permits that threads take and release, in the order of their arrival.
final class Semaphore: Sendable {
    private struct State {
        var permits: Int
        var line: [Event<Void>] = []
    }

    private let state: Mutex<State>

    init(_ permits: Int) { state = Mutex(State(permits: permits)) }

    /// The number of threads that wait for a permit.
    var waiting: Int { state.withLock { $0.line.count } }

    /// Takes a permit, runs `body`, and releases the permit.
    func withPermit<Success>(_ cancellation: Cancellation, _ body: () throws -> Success) throws -> Success {
        try acquire(cancellation)
        defer { release() }
        return try body()
    }

    private func acquire(_ cancellation: Cancellation) throws {
        let turn = Event<Void>()
        let waits = state.withLock { state in
            guard state.permits == 0 else {
                state.permits -= 1
                return false
            }
            state.line.append(turn)
            return true
        }
        guard waits else { return }
        let handler = cancellation.onCancel { turn.fail(CancellationError()) }
        defer { cancellation.remove(handler) }
        do { try turn.wait() } catch {
            state.withLock { $0.line.removeAll { $0 === turn } }
            throw error
        }
    }

    /// Gives a permit to the thread that has waited longest.
    private func release() {
        state.withLock { state in
            while !state.line.isEmpty {
                // A turn that was cancelled takes no permit.
                if state.line.removeFirst().send(()) { return }
            }
            state.permits += 1
        }
    }
}
