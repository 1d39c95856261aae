import Glibc
import Synchronization
import Tandem
import TandemFetch
import Testing

/// Runs `body` on a new hub on a new thread, and checks that it leaves nothing behind: no green thread, wait or timer, no
/// transfer, and no socket except those of idle connections.
func onHub<Success: Sendable>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable (Hub) async throws -> Success
) async throws -> Success {
    try await onThread {
        try Hub.run {
            let hub = Hub.current!
            let before = hub.statistics
            let result: Result<Success, any Error>
            do { result = .success(try await body(hub)) } catch { result = .failure(error) }
            // Spawned work needs a turn to end.
            try await until { hub.statistics.tasks == 0 && FetchStatistics(of: hub).transfers == 0 }
            let fetches = FetchStatistics(of: hub)
            let after = hub.statistics
            #expect(fetches.transfers == 0 && fetches.sockets == 0, "\(fetches)", sourceLocation: sourceLocation)
            #expect(after.greenThreads == before.greenThreads, sourceLocation: sourceLocation)
            // Idle connections are kept, each with its descriptor.
            #expect(after.descriptors == before.descriptors + fetches.restingDescriptors, sourceLocation: sourceLocation)
            #expect(fetches.connections == fetches.idleConnections, "\(fetches)", sourceLocation: sourceLocation)
            // libcurl's timer and the timer for idle connections exist once per hub, and may be armed.
            let waits = before.waits + 2 + fetches.keptTimers
            #expect(after.waits <= waits && after.timers <= before.timers + 2, sourceLocation: sourceLocation)
            return try result.get()
        }
    }
}

/// Runs `body`, which blocks, on a new OS thread.
func onThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Work { continuation.resume(with: Result(catching: body)) })
        let failed = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        precondition(failed == 0)
        pthread_detach(thread)
    }
}

private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Lets others run until the condition holds, at most for some seconds.
func until(sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<5000 {
        if try await condition() { return }
        try await sleep(for: .milliseconds(2))
    }
    Issue.record("it did not come to pass", sourceLocation: sourceLocation)
}

/// The two styles, for tests that hold for both.
enum Style: String, CaseIterable, Sendable {
    case blocking, async

    func execute(_ client: FetchClient, _ request: FetchRequest) async throws -> FetchResponse {
        switch self {
        case .async: try await client.execute(request)
        case .blocking: try await Tandem.blocking { try client.execute(request) }
        }
    }

    func get(_ client: FetchClient, _ url: String) async throws -> FetchResponse {
        try await execute(client, FetchRequest(url: url))
    }

    func stream(_ client: FetchClient, _ request: FetchRequest) async throws -> FetchStream {
        switch self {
        case .async: try await client.stream(request)
        case .blocking: try await Tandem.blocking { try client.stream(request) }
        }
    }

    func read(_ stream: FetchStream) async throws -> [UInt8]? {
        switch self {
        case .async: try await stream.read()
        case .blocking: try await Tandem.blocking { try stream.read() }
        }
    }

    /// Starts the fetch in this style: in a task on the hub, or in a green thread. Returns a function that cancels it.
    func start(_ hub: Hub, _ client: FetchClient, _ request: FetchRequest, done: Event<FetchResponse>) -> @Sendable () -> Void {
        switch self {
        case .async:
            let task = hub.spawn {
                do { done.send(try await client.execute(request)) } catch { done.fail(error) }
            }
            return { task.cancel() }
        case .blocking:
            let thread = GreenThread(on: hub) {
                do { done.send(try client.execute(request)) } catch { done.fail(error) }
            }
            return { thread.cancel() }
        }
    }
}
