internal import Synchronization

/// A number of permits that tasks take and release, in the order of their arrival.
final class Semaphore: Sendable {
    private struct State {
        var permits: Int
        var line: [Event<Void>] = []
    }

    private let state: Mutex<State>

    init(_ permits: Int) { state = Mutex(State(permits: permits)) }

    /// The number of tasks that wait for a permit.
    var waiting: Int { state.withLock { $0.line.count } }

    /// Takes a permit, runs `body`, and releases the permit.
    func withPermit<Success>(_ body: () async throws -> Success) async throws -> Success {
        try await acquire()
        defer { release() }
        return try await body()
    }

    private func acquire() async throws {
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
        do { try await turn.wait() } catch {
            state.withLock { $0.line.removeAll { $0 === turn } }
            throw error
        }
    }

    /// Gives a permit to the task that has waited longest.
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
