public import HTTPTypes
internal import Synchronization
internal import Tandem

/// An HTTP client for green threads and async code, which runs on the caller's hub.
///
/// A client is only a configuration and holds no connections, so any number of hubs and threads may share it. Each hub keeps idle
/// connections for its next fetch from the same origin, in either style.
///
/// Each call has two forms with one name. With `await` it suspends the task; without, it parks the green thread. A blocking
/// call on an ordinary OS thread blocks that thread. A call from a task that is not on a hub runs on a hub of
/// `HubGroup.shared`.
///
/// In a shadow (`Shadow.isActive`), calls with an unsafe method throw `FetchError` `shadowed`. Others make one attempt, do not wait
/// for a turn with their origin, and send the field `Tandem-Shadow: 1`.
///
/// All calls throw `FetchError`; `CancellationError` if the task is cancelled, which closes the connection at once; and
/// `TandemError` `notOnGreenThread` for a blocking call directly in async code.
public final class FetchClient: Sendable {
    /// The current configuration, including any reload.
    public var configuration: FetchConfiguration { settings.withLock { $0 }.configuration }

    /// The allow-list of the current configuration. Unlike `configuration`, this copies no other setting.
    public var allowList: AllowList? { settings.withLock { $0 }.configuration.allowList }

    private let settings: Mutex<FetchSettings>

    /// Creates a client with this configuration.
    public init(configuration: FetchConfiguration = FetchConfiguration()) {
        settings = Mutex(FetchSettings(configuration))
    }

    /// Creates a client that fetches from these origins only.
    ///
    /// - Parameters:
    ///   - origins: The origins to allow, such as `https://api.example.com:8443`.
    ///   - privateHosts: The names among their hosts that may resolve to private addresses.
    ///   - configuration: All other settings; its `allowList` is replaced.
    /// - Throws: `FetchError` `badURL`, which names the text that is not an origin or not a name.
    public convenience init(
        allowing origins: [String], privateHosts: [String] = [], configuration: FetchConfiguration = FetchConfiguration()
    ) throws(FetchError) {
        var configuration = configuration
        configuration.allowList = try AllowList(allowing: origins, privateHosts: privateHosts)
        self.init(configuration: configuration)
    }

    /// Replaces the configuration for fetches that begin from now on; those in flight keep theirs. Any thread.
    public func reload(_ configuration: FetchConfiguration) {
        let new = FetchSettings(configuration)
        settings.withLock { $0 = new }
    }

    // MARK: Whole responses

    /// Fetches `url` by GET and returns the response with its whole body, as `execute` does.
    public func get(_ url: String, headers: HTTPFields = [:]) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .get, headers: headers))
    }

    /// Fetches `url` by GET and returns the response with its whole body, as `execute` does.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func get(
        _ url: String, headers: HTTPFields = [:], file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .get, headers: headers), file: file, line: line)
    }

    /// Sends `body` to `url` by POST and returns the response with its whole body, as `execute` does.
    public func post(_ url: String, headers: HTTPFields = [:], body: FetchBody? = nil) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .post, headers: headers, body: body))
    }

    /// Sends `body` to `url` by POST and returns the response with its whole body, as `execute` does.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func post(
        _ url: String, headers: HTTPFields = [:], body: FetchBody? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .post, headers: headers, body: body), file: file, line: line)
    }

    /// Sends `body` to `url` by PUT and returns the response with its whole body, as `execute` does.
    public func put(_ url: String, headers: HTTPFields = [:], body: FetchBody? = nil) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .put, headers: headers, body: body))
    }

    /// Sends `body` to `url` by PUT and returns the response with its whole body, as `execute` does.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func put(
        _ url: String, headers: HTTPFields = [:], body: FetchBody? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .put, headers: headers, body: body), file: file, line: line)
    }

    /// Sends DELETE for `url` and returns the response with its whole body, as `execute` does.
    public func delete(_ url: String, headers: HTTPFields = [:]) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .delete, headers: headers))
    }

    /// Sends DELETE for `url` and returns the response with its whole body, as `execute` does.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func delete(
        _ url: String, headers: HTTPFields = [:], file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .delete, headers: headers), file: file, line: line)
    }

    /// Sends the request and returns the response with its whole body, at most `maxResponseBytes`. Any status is a response,
    /// not an error.
    public func execute(_ request: FetchRequest) async throws -> FetchResponse {
        guard let hub = Hub.current else { return try await onSharedHub { try await self.execute(request) } }
        return try await exchange(request, on: hub, capacity: .max).run { try $0.response() }
    }

    /// Sends the request and returns the response with its whole body; parks the green thread. As the async form.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func execute(
        _ request: FetchRequest, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        guard let hub = Hub.current, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.execute(request) }
        }
        return try exchange(request, on: hub, capacity: .max).run(file, line) { try $0.response() }
    }

    // MARK: Streamed responses

    /// Sends the request and returns when the head of the response has arrived. The caller reads the body from the stream.
    public func stream(_ request: FetchRequest) async throws -> FetchStream {
        guard let hub = Hub.current else { return try await onSharedHub { try await self.stream(request) } }
        let exchange = try exchange(request, on: hub, capacity: BodyBuffer.streamCapacity)
        return FetchStream(exchange, try await exchange.run { try $0.head() }, on: hub)
    }

    /// Sends the request and returns when the head of the response has arrived; parks the green thread. As the async form.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func stream(_ request: FetchRequest, file: StaticString = #fileID, line: UInt = #line) throws -> FetchStream {
        guard let hub = Hub.current, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.stream(request) }
        }
        let exchange = try exchange(request, on: hub, capacity: BodyBuffer.streamCapacity)
        return FetchStream(exchange, try exchange.run(file, line) { try $0.head() }, on: hub)
    }

    private func exchange(_ request: FetchRequest, on hub: Hub, capacity: Int) throws -> Exchange {
        try Exchange(request, settings.withLock { $0 }, on: hub, capacity: capacity)
    }

    private func onSharedHub<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) async throws -> Success {
        try await run(on: Hub.forCaller, body)
    }
}

/// Runs `body` on `hub` in the caller's task, from any executor or actor. Throws `TandemError` `hubStopped` if the hub has
/// stopped.
func run<Success: Sendable>(on hub: Hub, _ body: @Sendable () async throws -> Success) async throws -> Success {
    try await hub.visit { try await runHere(hub, body) }
}

// @concurrent, because the function would otherwise inherit the isolation of an actor, and with it the actor's executor. Not
// inlined, because the optimizer could then remove the change of the executor as redundant.
@concurrent @inline(never)
private func runHere<Success: Sendable>(_ hub: Hub, _ body: @Sendable () async throws -> Success) async throws -> Success {
    guard hub.isCurrent else { throw TandemError(.hubStopped, "the hub of this fetch has stopped") }
    return try await body()
}
