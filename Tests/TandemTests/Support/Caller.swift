@testable import Tandem

/// The styles in which a primitive is called.
enum Caller: String, CaseIterable, Sendable {
    case asynchronous, green, thread

    /// The styles that run in the calling task, so that cancelling the task cancels the call.
    static let cancellable: [Caller] = [.asynchronous, .green]

    /// Makes the call in the style of this caller.
    func call<Success: Sendable>(
        _ asynchronous: () async throws -> Success, blocking body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        switch self {
        case .asynchronous: try await asynchronous()
        case .green: try await blocking(body)
        case .thread: try await onThread(body)
        }
    }
}

extension Semaphore {
    func acquire(_ caller: Caller, deadline: Deadline = .never) async throws {
        try await caller.call({ try await acquire(deadline: deadline) }, blocking: { try self.acquire(deadline: deadline) })
    }
}

extension Queue {
    func put(_ item: Element, _ caller: Caller, deadline: Deadline = .never) async throws {
        try await caller.call({ try await put(item, deadline: deadline) }, blocking: { try self.put(item, deadline: deadline) })
    }

    func get(_ caller: Caller, deadline: Deadline = .never) async throws -> Element {
        try await caller.call({ try await get(deadline: deadline) }, blocking: { try self.get(deadline: deadline) })
    }

    func join(_ caller: Caller, deadline: Deadline = .never) async throws {
        try await caller.call({ try await join(deadline: deadline) }, blocking: { try self.join(deadline: deadline) })
    }
}

extension GreenPool {
    func spawn<Success: Sendable>(
        _ caller: Caller, deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> GreenThread<Success> {
        try await caller.call(
            { try await spawn(deadline: deadline, body) }, blocking: { try self.spawn(deadline: deadline, body) })
    }

    func waitAll(_ caller: Caller, deadline: Deadline = .never) async throws {
        try await caller.call({ try await waitAll(deadline: deadline) }, blocking: { try self.waitAll(deadline: deadline) })
    }
}

extension GreenThread {
    func wait(_ caller: Caller) async throws -> Success {
        try await caller.call({ try await wait() }, blocking: { try self.wait() })
    }
}
