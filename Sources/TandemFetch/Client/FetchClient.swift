public import HTTPTypes
internal import Tandem

/// Fetches over HTTP from green threads and async code alike, on the caller's own hub.
///
/// A client is a configuration: any number of hubs and threads may share it, and it holds no connections. The hub keeps
/// connections for the next fetch from the same origin on that hub, in either style.
///
/// Each call comes in two forms of one name: `await` suspends the task, without it the green thread parks. Blocking calls
/// on an ordinary OS thread block that thread; a call from a task that is on no hub runs on one of the shared group's.
/// All throw `FetchError`; `CancellationError` when the task is cancelled, which closes the connection at once; and
/// `TandemError` `notOnGreenThread` for a blocking call directly in async code.
public final class FetchClient: Sendable {
    /// The configuration of every fetch.
    public var configuration: FetchConfiguration { settings.configuration }

    private let settings: FetchSettings

    /// Creates a client with this configuration.
    public init(configuration: FetchConfiguration = FetchConfiguration()) { settings = FetchSettings(configuration) }

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

    // MARK: Whole responses

    /// Fetches `url` by GET and returns the answer with its whole body, as `execute` does.
    public func get(_ url: String, headers: HTTPFields = [:]) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .get, headers: headers))
    }

    /// Fetches `url` by GET and returns the answer with its whole body, as `execute` does.
    @available(*, noasync)
    public func get(
        _ url: String, headers: HTTPFields = [:], file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .get, headers: headers), file: file, line: line)
    }

    /// Sends `body` to `url` by POST and returns the answer with its whole body, as `execute` does.
    public func post(_ url: String, headers: HTTPFields = [:], body: FetchBody? = nil) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .post, headers: headers, body: body))
    }

    /// Sends `body` to `url` by POST and returns the answer with its whole body, as `execute` does.
    @available(*, noasync)
    public func post(
        _ url: String, headers: HTTPFields = [:], body: FetchBody? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .post, headers: headers, body: body), file: file, line: line)
    }

    /// Sends `body` to `url` by PUT and returns the answer with its whole body, as `execute` does.
    public func put(_ url: String, headers: HTTPFields = [:], body: FetchBody? = nil) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .put, headers: headers, body: body))
    }

    /// Sends `body` to `url` by PUT and returns the answer with its whole body, as `execute` does.
    @available(*, noasync)
    public func put(
        _ url: String, headers: HTTPFields = [:], body: FetchBody? = nil, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .put, headers: headers, body: body), file: file, line: line)
    }

    /// Sends DELETE for `url` and returns the answer with its whole body, as `execute` does.
    public func delete(_ url: String, headers: HTTPFields = [:]) async throws -> FetchResponse {
        try await execute(FetchRequest(url: url, method: .delete, headers: headers))
    }

    /// Sends DELETE for `url` and returns the answer with its whole body, as `execute` does.
    @available(*, noasync)
    public func delete(
        _ url: String, headers: HTTPFields = [:], file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        try execute(FetchRequest(url: url, method: .delete, headers: headers), file: file, line: line)
    }

    /// Sends the request and returns the answer with its whole body, at most `maxResponseBytes`.
    public func execute(_ request: FetchRequest) async throws -> FetchResponse {
        guard let hub = Hub.current else { return try await onSharedHub { try await self.execute(request) } }
        return try await exchange(request, on: hub, capacity: .max).run { try $0.response() }
    }

    /// Sends the request and returns the answer with its whole body, at most `maxResponseBytes`.
    @available(*, noasync)
    public func execute(
        _ request: FetchRequest, file: StaticString = #fileID, line: UInt = #line
    ) throws -> FetchResponse {
        guard let hub = Hub.current, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.execute(request) }
        }
        return try exchange(request, on: hub, capacity: .max).run(file, line) { try $0.response() }
    }

    // MARK: Streamed responses

    /// Sends the request and returns when the head of the answer is there; the body is read from the stream.
    public func stream(_ request: FetchRequest) async throws -> FetchStream {
        guard let hub = Hub.current else { return try await onSharedHub { try await self.stream(request) } }
        let exchange = try exchange(request, on: hub, capacity: BodyBuffer.streamCapacity)
        return FetchStream(exchange, try await exchange.run { try $0.head() }, on: hub)
    }

    /// Sends the request and returns when the head of the answer is there; the body is read from the stream.
    @available(*, noasync)
    public func stream(_ request: FetchRequest, file: StaticString = #fileID, line: UInt = #line) throws -> FetchStream {
        guard let hub = Hub.current, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.stream(request) }
        }
        let exchange = try exchange(request, on: hub, capacity: BodyBuffer.streamCapacity)
        return FetchStream(exchange, try exchange.run(file, line) { try $0.head() }, on: hub)
    }

    private func exchange(_ request: FetchRequest, on hub: Hub, capacity: Int) throws -> Exchange {
        try Exchange(request, settings, on: hub, capacity: capacity)
    }

    private func onSharedHub<Success: Sendable>(_ body: @escaping @Sendable () async throws -> Success) async throws -> Success {
        try await run(on: HubGroup.shared.nextHub(), body)
    }
}

/// Runs `body` on `hub` in the caller's task, whatever the caller's executor or actor. Throws `TandemError` `hubStopped`
/// when the hub runs no more.
func run<Success: Sendable>(on hub: Hub, _ body: @Sendable () async throws -> Success) async throws -> Success {
    try await hub.visit { try await runHere(hub, body) }
}

// Concurrent: an actor's isolation would otherwise be inherited, and with it the actor's executor. Not inlined: the change of
// executor could be taken for redundant.
@concurrent @inline(never)
private func runHere<Success: Sendable>(_ hub: Hub, _ body: @Sendable () async throws -> Success) async throws -> Success {
    guard hub.isCurrent else { throw TandemError(.hubStopped, "the hub of this fetch has stopped") }
    return try await body()
}
