internal import CTandem
internal import Glibc
internal import Synchronization

/// Several hubs, one a thread, which share nothing.
public final class HubGroup: Sendable {
    /// The hubs, which run until `shutdown`.
    public let hubs: [Hub]
    private let threads: Mutex<[pthread_t]>
    private let turn = Atomic<Int>(0)

    /// The group that serves callers who are on no hub: ordinary threads that call `awaiting`, tasks on Swift's own pool
    /// that call `blocking`. One hub a core, started when first needed, never stopped.
    public static let shared: HubGroup = {
        do throws(TandemError) {
            return try HubGroup(count: max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))), name: "shared-hub")
        } catch { fatalError("the shared hubs cannot start: \(error.message)") }
    }()

    /// Starts `count` hubs, each on a thread of its own. Throws `TandemError` when the kernel refuses what they need.
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
        for hub in hubs { started.append(try HubGroup.startThread(running: hub)) }
        threads.withLock { $0 = started }
    }

    /// The hubs in turn: a simple spread for work that belongs to none of them. Any thread.
    public func nextHub() -> Hub {
        hubs[turn.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % hubs.count]
    }

    /// Stops every hub: what was spawned is cancelled and waited for, each at most its `stopGrace`. Blocks the calling OS
    /// thread, which must be none of the hubs'. The second call does nothing.
    @available(*, noasync)
    public func shutdown() {
        precondition(!hubs.contains { $0.isCurrent }, "a hub cannot wait for its own end: call shutdown from another thread")
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for hub in hubs { hub.requestStop() }
        for thread in running { pthread_join(thread, nil) }
    }

    /// As the blocking form, without blocking: suspends until every hub has ended. Not from a task of these hubs.
    public func shutdown() async {
        precondition(!hubs.contains { $0.isCurrent }, "a hub cannot wait for its own end: call shutdown from another thread")
        for hub in hubs { hub.requestStop() }
        for hub in hubs { _ = try? await hub.ended.wait() }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        // They have left their loops: this is the time a thread takes to exit.
        for thread in running { pthread_join(thread, nil) }
    }

    private static func startThread(running hub: Hub) throws(TandemError) -> pthread_t {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(hub).toOpaque()
        let failed = pthread_create(
            &thread, nil,
            { context in
                let hub = Unmanaged<Hub>.fromOpaque(context!).takeRetainedValue()
                tandem_name_thread("\(hub.configuration.name)-\(hub.index)")
                hub.runLoop()
                return nil
            }, context)
        guard failed == 0 else {
            Unmanaged<Hub>.fromOpaque(context).release()
            throw .systemCall("pthread_create", failed)
        }
        return thread
    }
}
