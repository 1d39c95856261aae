internal import Synchronization
internal import Tandem

extension HTTPServer {
    /// Puts other limits, time-outs and the like into force, from any thread, without touching a connection.
    ///
    /// Each hub takes them over within a turn of its loop. Time-outs hold from the next wait on, limits of the head and TLS from
    /// the next connection on, everything else from the next request on. The files of `tls` are read again, whether it differs or
    /// not. A stop that has begun keeps its times.
    ///
    /// - Returns: The names of the properties that differ and cannot change while it runs: where it listens, what it
    ///   observes, and what its hubs are, but for `hub.stallThreshold`. They stay as they were.
    /// - Throws: `TLSError`, which names the file; then nothing has changed.
    @discardableResult
    public func reload(_ configuration: HTTPServerConfiguration) throws -> [String] {
        let useTLS = try configuration.tls.map { try prepareTLS($0) }
        let (fixed, merged, parts) = state.withLock { state in
            var merged = configuration
            let fixed = merged.keepFixed(of: state.configuration)
            // What is let go is released outside the lock.
            swap(&merged, &state.configuration)
            return (fixed, state.configuration, state.parts)
        }
        useTLS?()
        for part in parts { part.hub.spawn(name: "server reload") { part.reload(merged) } }
        return fixed
    }
}

extension HTTPServerConfiguration {
    /// Takes over what cannot change while a server runs. Returns the names of what would have.
    mutating func keepFixed(of running: HTTPServerConfiguration) -> [String] {
        var names: [String] = []
        func keep<Value: Equatable>(_ name: String, _ path: WritableKeyPath<HTTPServerConfiguration, Value>) {
            guard self[keyPath: path] != running[keyPath: path] else { return }
            names.append(name)
            self[keyPath: path] = running[keyPath: path]
        }
        keep("addresses", \.addresses)
        keep("host", \.host)
        keep("port", \.port)
        keep("hubs", \.hubs)
        keep("backlog", \.backlog)
        keep("observing.recordsMetrics", \.observing.recordsMetrics)
        keep("observing.tracesRequests", \.observing.tracesRequests)
        keep("observing.trustsRequestID", \.observing.trustsRequestID)
        keep("observing.returnsRequestID", \.observing.returnsRequestID)
        keep("hub.stackSize", \.hub.stackSize)
        keep("hub.jobsPerTurn", \.hub.jobsPerTurn)
        keep("hub.stopGrace", \.hub.stopGrace)
        keep("hub.name", \.hub.name)
        keep("hub.poller", \.hub.poller)
        keep("hub.auditInterval", \.hub.auditInterval)
        keep("hub.stuckThreshold", \.hub.stuckThreshold)
        keep("hub.trimsStacks", \.hub.trimsStacks)
        // Addresses that speak it cannot do without.
        if tls == nil { keep("tls", \.tls) }
        // What is left of it is for tests.
        let stallThreshold = hub.stallThreshold
        hub = running.hub
        hub.stallThreshold = stallThreshold
        return names
    }
}
