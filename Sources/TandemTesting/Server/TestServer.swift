internal import Dispatch
internal import Tandem
public import TandemHTTP

/// Serves `router` while `body` acts as its clients, then stops the server and checks that nothing is left.
///
///     try await withTestServer(router) { client in
///         let response = try await client.get("/users/7")
///         #expect(response.status == .ok)
///     }
///
/// Except with `.inProcess`, the server is the real one: bytes go through sockets, framing, limits and timeouts. When called on a
/// hub, for example in `withVirtualTime`, the server runs on that hub and by its clock; elsewhere it runs on a new hub, where
/// nonisolated code of `body` runs too.
///
/// When `body` has ended, the server cancels requests without a response. Everything that handlers have started on the hub must
/// end within 5 seconds of the hub's time.
///
/// - Parameters:
///   - router: The routes. The server copies them.
///   - setup: How the client reaches the routes.
///   - configuration: Limits, timeouts and the hub's settings. `setup` replaces the addresses.
///   - body: The test, with a client of the server.
/// - Throws: The error that `body` throws; otherwise `LeftBehind` if green threads, tasks or descriptors are left on the hub;
///   `TandemError` if the server cannot listen.
public func withTestServer<Success: Sendable>(
    _ router: Router, _ setup: TestSetup = .unix, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
    _ body: (TestClient) async throws -> Success
) async throws -> Success {
    if let hub = Hub.current { return try await serve(router, setup, configuration, on: hub, body) }
    var hubConfiguration = configuration.hub
    hubConfiguration.name = "test"
    let group = try HubGroup(count: 1, configuration: hubConfiguration)
    let outcome: Result<Success, any Error>
    do {
        outcome = .success(
            try await group.hubs[0].visit {
                try await serve(router, setup, configuration, on: group.hubs[0], body)
            })
    } catch {
        outcome = .failure(error)
    }
    await group.shutdown()
    return try outcome.get()
}

/// The same for tests in blocking style: `body` runs on a green thread of the hub. When called on a green thread, this parks it;
/// elsewhere it blocks the OS thread, including that of a test function that is not async.
@available(*, noasync)
@_disfavoredOverload
public func withTestServer<Success: Sendable>(
    _ router: Router, _ setup: TestSetup = .unix, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
    file: StaticString = #fileID, line: UInt = #line, _ body: @escaping (TestClient) throws -> Success
) throws -> Success {
    // Used by one task only, while this one waits.
    nonisolated(unsafe) let (router, body) = (router, body)
    let serve: @Sendable () async throws -> Success = {
        try await withTestServer(router, setup, configuration: configuration) { client in
            try await blocking(name: "test") { try body(client) }
        }
    }
    // `awaiting` also throws the right error when this is called in async code.
    if Hub.current != nil { return try awaiting(file: file, line: line) { try await serve() } }
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var outcome: Result<Success, any Error>?
    // Not detached, so that it belongs to the current test.
    Task {
        do { outcome = .success(try await serve()) } catch { outcome = .failure(error) }
        done.signal()
    }
    done.wait()
    return try outcome!.get()
}

/// Runs on the hub, whatever `body` is isolated to.
private func serve<Success: Sendable>(
    _ router: Router, _ setup: TestSetup, _ configuration: HTTPServerConfiguration, on hub: Hub,
    _ body: (TestClient) async throws -> Success
) async throws -> Success {
    let log = TestLog()
    let before = await Leftovers.now(on: hub)
    let server: HTTPServer?
    let client: TestClient
    if setup == .inProcess {
        server = nil
        client = TestClient(hub: hub, answers: RouterAnswers(router, maxBodyBytes: configuration.maxBodyBytes), log: log)
    } else {
        let listener = TestListener(setup)
        let started = HTTPServer(router: router, configuration: listener.listening(configuration), logger: log.logger)
        hub.spawn(name: "test server") { try await started.run() }
        let port = try await started.waitUntilListening()
        server = started
        client = TestClient(hub: hub, address: listener.address(port: port), listener.options, log: log)
    }
    let outcome: Result<Success, any Error>
    do { outcome = .success(try await body(client)) } catch { outcome = .failure(error) }
    // Another task cleans up, so that a cancelled test does too.
    let left = await Task(executorPreference: hub) {
        client.closeHere()
        server?.stop(grace: .zero)
        return await Leftovers.settle(to: before)
    }.value
    let success = try outcome.get()
    if let left { throw left }
    return success
}
