internal import Tandem

/// Runs `body` on `hub`, in the caller's task.
func onHub<Success: Sendable, Failure: Error>(
    _ hub: Hub, _ body: @Sendable () async throws(Failure) -> Success
) async throws(Failure) -> Success {
    try await withTaskExecutorPreference(hub) { () async throws(Failure) -> Success in try await onPreferredExecutor(body) }
}

// Not inlined: the change of executor is at this function's beginning. Inlined into a function that is on no actor either, the
// optimizer takes it for redundant, and `body` would run where the caller is.
@concurrent @inline(never)
private func onPreferredExecutor<Success: Sendable, Failure: Error>(
    _ body: @Sendable () async throws(Failure) -> Success
) async throws(Failure) -> Success {
    try await body()
}
