internal import Synchronization
public import Tandem

extension HTTPServer {
    /// Stops, from any thread, in phases that each have a deadline:
    ///
    /// 1. `delay`: the phase is `leaving`, and everything is served as before, for load balancers that have to be told first;
    /// 2. `grace`: it is `draining`. Nothing more is accepted, idle connections close, requests in flight end with
    ///    `Connection: close`, and handlers that ask by `draining` are told. What is left then is cut: cancelled;
    /// 3. `cleanupTimeout`: what was given to `onShutdown` runs.
    ///
    /// Then `run` returns. A further call may shorten the phases and cannot lengthen them: `stop(grace: .zero, delay: .zero)`
    /// cuts at once. A server that is stopped before it runs stops as soon as it does.
    ///
    /// - Parameters:
    ///   - grace: nil for `HTTPServerConfiguration.stopGrace`.
    ///   - delay: nil for `HTTPServerConfiguration.stopDelay`.
    public func stop(grace: Duration? = nil, delay: Duration? = nil) {
        let (plan, parts) = state.withLock { state in
            let wanted = StopPlan(
                delay: delay ?? state.configuration.stopDelay, grace: grace ?? state.configuration.stopGrace)
            state.plan?.shorten(to: wanted)
            state.plan = state.plan ?? wanted
            state.phase = max(state.phase, .leaving)
            return (state.plan!, state.parts)
        }
        for part in parts { part.hub.spawn(name: "server stop") { part.stop(plan) } }
    }

    /// Registers an async hook that runs when the last connection has ended, while the hub still turns: to flush what is buffered,
    /// to close what handlers shared. Any thread.
    ///
    /// Hooks run one after the other, newest first, once `run` ends, for whatever reason: also when it could not listen or its
    /// task was cancelled, which they do not see. All together have `cleanupTimeout`; then they are cancelled. One that throws
    /// is logged and counted, and the next one runs. `run` waits for a hook that ignores its cancellation.
    ///
    /// - Parameter name: The name of the hook, in messages.
    /// - Returns: Whether the hook will run; false when the hooks have already started.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () async throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .async(hook)) }
    }

    /// Registers a blocking hook, which runs on a green thread; as the async form. The closure's own style selects the form: one
    /// that awaits is async.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .blocking(hook)) }
    }

    /// Where it is in its life. Any thread.
    public var phase: ServerPhase { state.withLock { $0.phase } }

    /// Whether it drains, and a way to wait for that. Any thread.
    public var draining: Draining { Draining(drained) }

    /// What stopping came to, complete when `run` has returned. Any thread.
    public var stopSummary: StopSummary { state.withLock { $0.summary } }

    /// The first hub of the server drains. On any of its hubs.
    func drainingBegins() {
        state.withLock { $0.phase = max($0.phase, .draining) }
        drained.send(())
    }

    /// Runs the hooks, unless that has been done.
    func runHooks() async {
        let (hooks, timeout) = state.withLock { ($0.hooks.take(), $0.configuration.cleanupTimeout) }
        let summary = await hooks.run(within: timeout, logger)
        state.withLock { $0.summary.add(summary) }
    }

    func end() {
        state.withLock { $0.phase = .stopped }
        drained.send(())
    }
}
