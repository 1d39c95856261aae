public import Configuration
public import Logging
internal import Synchronization
public import Tandem
public import TandemFetch
internal import TandemHTTP

/// The interface of the daemon to its service: configuration, logger, client, and hooks. Any thread.
public final class DaemonContext: Sendable {
    /// The configuration: the keys of ``DaemonService/settings``, and the daemon's own.
    ///
    /// Every key has a value, at least its default, so read it with a method that throws if there is none:
    ///
    ///     let currency = try context.config.requiredString(forKey: "prices.currency")
    ///
    /// The reader shows the newest values of keys that a reload may change, and the values at the start of all others
    /// (``Setting/effect``).
    public let config: ConfigReader

    /// The daemon's logger. In handlers use `Logger.current`, which adds the request's id to each line.
    public let logger: Logger

    /// The client for fetches. It is restricted to `fetch.allow`, and has the limits under `fetch`. A reload updates its
    /// configuration, so a service can keep it for as long as it runs.
    public let client: FetchClient

    let outbound: Outbound
    private let values: MutableInMemoryProvider
    private let hooks = Mutex(Hooks())

    private struct Hooks {
        var server: HTTPServer?
        var shutdown: [@Sendable (HTTPServer) -> Bool] = []
        var reload: [ReloadHook] = []
    }

    fileprivate typealias Commit = @Sendable () -> Void

    /// A reload hook, in either style.
    fileprivate enum ReloadHook {
        case async(GreenThreadName, @Sendable (ConfigReader) async throws -> Commit)
        case blocking(GreenThreadName, @Sendable (ConfigReader) throws -> Commit)
    }

    init<Service: DaemonService>(for service: Service.Type, _ configured: Configured, logger: Logger) {
        self.logger = logger
        outbound = Outbound(configured.values.fetch, userAgent: "\(service.name)/\(service.version)")
        client = outbound.client
        values = MutableInMemoryProvider(name: service.name, initialValues: configured.content)
        config = ConfigReader(provider: values)
    }

    /// Creates a pool of OS threads for calls that really block, or compute for long: see `OffloadPool`. It ends with the daemon,
    /// after the hooks of `onShutdown` that were registered after this call.
    ///
    /// - Parameters:
    ///   - name: The name of its threads.
    ///   - threads: The most jobs that run at once.
    ///   - queueLimit: The most jobs that wait for a thread; one more fails with `overloaded`.
    /// - Throws: `TandemError` `invalidArgument`.
    public func makeOffloadPool(
        _ name: String, threads: Int, queueLimit: Int = OffloadPool.defaultQueueLimit
    ) throws(TandemError) -> OffloadPool {
        let pool = try OffloadPool(threads: threads, queueLimit: queueLimit, name: name)
        onShutdown("offload pool") { try await pool.shutdown() }
        return pool
    }

    /// Registers an async hook that runs when the daemon stops and the last connection has ended: to flush, or to close what
    /// handlers share. Hooks run one after the other, newest first; `shutdown.cleanup-ms` limits them all together.
    ///
    /// - Parameter name: The name of the hook, in messages.
    /// - Parameter hook: The code to run.
    /// - Returns: Whether the hook will run; false when the hooks have already started.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () async throws -> Void) -> Bool {
        register { $0.onShutdown(name, hook) }
    }

    /// Registers a blocking hook, which runs on a green thread. Otherwise like the async form. The closure's style selects the
    /// form: a closure that awaits is async.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () throws -> Void) -> Bool {
        register { $0.onShutdown(name, hook) }
    }

    /// Registers an async hook that runs at each reload, with a reader of the new values of all keys.
    ///
    /// The hook prepares a change, and returns a closure that makes it:
    ///
    ///     context.onReload("currency") { new in
    ///         let currency = try new.requiredString(forKey: "prices.currency")
    ///         return { prices.use(currency: currency) }
    ///     }
    ///
    /// Hooks run after the daemon has checked all values, and before any of them takes effect. When one throws, the daemon refuses
    /// the reload: it logs the error and keeps all old values. Hooks run one after the other in the order of registration, on the
    /// supervising hub. Each may take up to 30 seconds. The returned closures run in the same order once nothing can refuse the
    /// reload any more, and after `config` shows the new values. They must not wait.
    ///
    /// - Parameter name: The name of the hook, in messages.
    /// - Parameter hook: The code to run.
    public func onReload(
        _ name: GreenThreadName, _ hook: @escaping @Sendable (ConfigReader) async throws -> @Sendable () -> Void
    ) {
        hooks.withLock { $0.reload.append(.async(name, hook)) }
    }

    /// Registers a blocking hook, which runs on a green thread. Otherwise like the async form. The closure's style selects the
    /// form: a closure that awaits is async.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public func onReload(
        _ name: GreenThreadName, _ hook: @escaping @Sendable (ConfigReader) throws -> @Sendable () -> Void
    ) {
        hooks.withLock { $0.reload.append(.blocking(name, hook)) }
    }

    private func register(_ hook: @escaping @Sendable (HTTPServer) -> Bool) -> Bool {
        let server = hooks.withLock { hooks in
            if hooks.server == nil { hooks.shutdown.append(hook) }
            return hooks.server
        }
        return server.map(hook) ?? true
    }

    // MARK: For the daemon

    /// Hands the hooks over to the server.
    func use(_ server: HTTPServer) {
        let waiting = hooks.withLock { hooks in
            defer { hooks.shutdown = [] }
            hooks.server = server
            return hooks.shutdown
        }
        for hook in waiting { _ = hook(server) }
    }

    /// Applies the new values to the server with `reloadServer`, and to everything in this context. When a hook or the server
    /// throws, nothing has changed. Must be called on a hub.
    func reload(_ new: Configured, _ reloadServer: () throws -> Void) async throws {
        let commits = try await runReloadHooks(new)
        try reloadServer()
        outbound.reload(new.values.fetch)
        adopt(new)
        for commit in commits { commit() }
    }

    private func runReloadHooks(_ new: Configured) async throws(DaemonError) -> [Commit] {
        let reader = ConfigReader(provider: InMemoryProvider(name: "new values", values: new.content))
        var commits: [Commit] = []
        for hook in hooks.withLock({ $0.reload }) {
            do {
                commits.append(try await withTimeout(Self.reloadLimit) { try await hook.run(reader) })
            } catch {
                throw DaemonError("the hook \(hook.name) refuses the new values: \(error)")
            }
        }
        return commits
    }

    /// Makes `config` show the new values of the keys that a reload may change.
    private func adopt(_ new: Configured) {
        let content = new.content
        for setting in new.schema.settings where setting.effect != .restart {
            let key = AbsoluteConfigKey(ConfigKey(setting.key))
            values.setValue(content[key], forKey: key)
        }
    }

    private static let reloadLimit: Duration = .seconds(30)
}

extension DaemonContext.ReloadHook {
    fileprivate var name: String {
        switch self {
        case .async(let name, _), .blocking(let name, _): "\(name)"
        }
    }

    fileprivate func run(_ reader: ConfigReader) async throws -> DaemonContext.Commit {
        switch self {
        case .async(_, let hook): try await hook(reader)
        case .blocking(_, let hook): try await Tandem.blocking { try hook(reader) }
        }
    }
}
