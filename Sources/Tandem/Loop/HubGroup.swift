internal import CTandem
internal import Glibc
internal import Synchronization

/// A group of hubs, each with a separate thread. They share nothing.
public final class HubGroup: Sendable {
    /// The hubs. They run until `shutdown`.
    public let hubs: [Hub]
    private let threads: Mutex<[pthread_t]>
    private let turn = Atomic<Int>(0)

    /// The group for ordinary threads that call `awaiting`, and for tasks on Swift's own pool that call `blocking`, unless hubs have
    /// taken over the global executor. It has one hub per core, starts on first use and never stops.
    public static let shared: HubGroup = {
        do throws(TandemError) {
            return try HubGroup(count: max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))), name: "shared-hub")
        } catch { fatalError("the shared hubs cannot start: \(error.message)") }
    }()

    /// Starts `count` hubs, each on a separate thread.
    ///
    /// - Throws: `TandemError` `invalidArgument` if `count` is less than 1 or `TANDEM_HUB_POLLER` has an unknown value;
    ///   `systemCall` if the kernel refuses a resource that the hubs need; see also `HubConfiguration.takesOverGlobalExecutor`.
    public convenience init(count: Int, configuration: HubConfiguration = HubConfiguration()) throws(TandemError) {
        try self.init(count: count, configuration: configuration, name: configuration.name)
    }

    private init(count: Int, configuration: HubConfiguration = HubConfiguration(), name: String) throws(TandemError) {
        guard count > 0 else { throw TandemError(.invalidArgument, "a HubGroup needs at least one hub, not \(count)") }
        var configuration = configuration
        configuration.name = name
        var hubs: [Hub] = []
        for index in 0..<count { hubs.append(try Hub(configuration: configuration, index: index)) }
        self.hubs = hubs
        threads = Mutex([])
        var started: [pthread_t] = []
        do throws(TandemError) {
            for hub in hubs { started.append(try HubGroup.startThread(running: hub)) }
            try GlobalExecutor.shared.install(hubs)
        } catch {
            for hub in hubs { hub.requestStop() }
            for thread in started { pthread_join(thread, nil) }
            throw error
        }
        threads.withLock { $0 = started }
    }

    /// Returns the hubs in turn, to spread work that belongs to no particular hub. Any thread.
    public func nextHub() -> Hub {
        hubs[turn.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % hubs.count]
    }

    /// Stops all hubs: cancels the tasks that were spawned and waits for them, at most `stopGrace` per hub. Blocks the calling OS
    /// thread; traps on a thread of one of these hubs. A second call does nothing.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func shutdown() {
        precondition(!hubs.contains { $0.isCurrent }, "a hub cannot wait for its own end: call shutdown from another thread")
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for hub in hubs { hub.requestStop() }
        for thread in running { pthread_join(thread, nil) }
    }

    /// Stops all hubs, as the blocking form does, and suspends until they have ended, also in a cancelled task. Traps in a task on
    /// one of these hubs, unless they have taken over the global executor: then the task leaves them first.
    public func shutdown() async {
        precondition(
            !hubs.contains { $0.isCurrent && !$0.runsGlobalTasks.load(ordering: .relaxed) },
            "a hub cannot wait for its own end: call shutdown from another thread")
        GlobalExecutor.shared.remove(hubs)
        // In a task of its own, which runs on none of these hubs and is not cancelled.
        await Task.detached { [self] in
            for hub in hubs { hub.requestStop() }
            for hub in hubs { _ = try? await hub.ended.wait() }
            let running = threads.withLock { threads in
                defer { threads = [] }
                return threads
            }
            // The hubs have left their loops, so this takes only as long as their threads take to exit.
            for thread in running { pthread_join(thread, nil) }
        }.value
    }

    private static func startThread(running hub: Hub) throws(TandemError) -> pthread_t {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(hub).toOpaque()
        let failed = pthread_create(
            &thread, nil,
            { context in
                let hub = Unmanaged<Hub>.fromOpaque(context!).takeRetainedValue()
                tandem_name_thread("\(hub.configuration.name)-\(hub.index)")
                hub.loop.run()
                return nil
            }, context)
        guard failed == 0 else {
            Unmanaged<Hub>.fromOpaque(context).release()
            throw .systemCall("pthread_create", failed)
        }
        return thread
    }
}
