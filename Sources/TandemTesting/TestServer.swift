internal import Dispatch
internal import Tandem
public import TandemHTTP

/// What a test's client and its server are connected by.
public enum TestSetup: Sendable {
    /// A unix socket of the test's own: nothing listens on the network, and nobody else may connect.
    case inProcess
    /// A TCP port of the loopback address that the kernel chooses, for other clients too: `TestClient.port`.
    case live
}

/// Serves `router` while `body` plays its clients, then stops the server and looks whether anything is left.
///
///     try await withTestServer(router) { client in
///         let response = try await client.get("/users/7")
///         #expect(response.status == .ok)
///     }
///
/// The server is the real one: bytes go through sockets, framing, limits and deadlines. On a hub (in `withVirtualTime`, say)
/// it runs there, and its deadlines go by that hub's clock; elsewhere on a hub of its own, where nonisolated code of `body`
/// runs too.
///
/// When `body` has ended, requests that are still being answered are cancelled, and all that the server's handlers have
/// started on the hub must end within 5 seconds of the hub's time.
///
/// - Parameters:
///   - router: Copied; what is added later does not count.
///   - setup: How the client reaches the server.
///   - configuration: Limits, deadlines and the hub's setup; where it listens is replaced.
/// - Throws: What `body` throws; else `LeftBehind`, when green threads, tasks or descriptors are left on the hub; `TandemError`
///   when it cannot listen.
public func withTestServer<Success: Sendable>(
    _ router: Router, _ setup: TestSetup = .inProcess, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
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

/// As the async form, for tests in blocking style: `body` runs on a green thread of the hub. Called on a green thread it parks
/// that one; elsewhere it blocks the OS thread, also that of a test function that is not async.
@available(*, noasync)
@_disfavoredOverload
public func withTestServer<Success: Sendable>(
    _ router: Router, _ setup: TestSetup = .inProcess, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
    file: StaticString = #fileID, line: UInt = #line, _ body: @escaping (TestClient) throws -> Success
) throws -> Success {
    // Only lent: to one task, while this one waits.
    nonisolated(unsafe) let (router, body) = (router, body)
    let serve: @Sendable () async throws -> Success = {
        try await withTestServer(router, setup, configuration: configuration) { client in
            try await blocking(name: "test") { try body(client) }
        }
    }
    // Which also says what is wrong when it is called in async code.
    if Hub.current != nil { return try awaiting(file: file, line: line) { try await serve() } }
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var outcome: Result<Success, any Error>?
    // Not detached: the current test comes along.
    Task {
        do { outcome = .success(try await serve()) } catch { outcome = .failure(error) }
        done.signal()
    }
    done.wait()
    return try outcome!.get()
}

/// On the hub, whatever `body` is isolated to.
private func serve<Success: Sendable>(
    _ router: Router, _ setup: TestSetup, _ configuration: HTTPServerConfiguration, on hub: Hub,
    _ body: (TestClient) async throws -> Success
) async throws -> Success {
    let log = TestLog()
    let address = TestAddress(setup)
    let server = HTTPServer(router: router, configuration: address.listening(configuration), logger: log.logger)
    let before = await Leftovers.now(on: hub)
    hub.spawn(name: "test server") { try await server.run() }
    let port = try await server.waitUntilListening()
    let client = TestClient(hub: hub, address: address, port: port, log: log)
    let outcome: Result<Success, any Error>
    do { outcome = .success(try await body(client)) } catch { outcome = .failure(error) }
    // A cancelled test cleans up all the same: another task waits for it.
    let left = await Task(executorPreference: hub) {
        client.close()
        server.stop(grace: .zero)
        return await Leftovers.settle(to: before)
    }.value
    let success = try outcome.get()
    if let left { throw left }
    return success
}
