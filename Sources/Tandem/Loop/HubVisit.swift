internal import CTandem

extension Hub {
    /// Runs `body` on this hub in the caller's task, then returns to the caller's executor.
    ///
    /// `withTaskExecutorPreference` alone guarantees neither. Optimized code may omit the change of executor on entry if `body`
    /// does not suspend, and on return; then the caller would hold the hub until it suspends.
    package func visit<Success, Failure: Error>(
        _ body: () async throws(Failure) -> Success
    ) async throws(Failure) -> Success {
        let outcome: Result<Success, Failure>
        do throws(Failure) {
            outcome = .success(
                try await withTaskExecutorPreference(self) { () async throws(Failure) -> Success in
                    await changeExecutor()
                    return try await body()
                })
        } catch {
            outcome = .failure(error)
        }
        await changeExecutor()
        return try outcome.get()
    }
}

/// Changes to the executor that the task prefers; on return, the caller changes back to its actor, if it has one.
///
/// Not inlined, and with a call in its body: otherwise the optimizer removes the change as redundant.
@concurrent @inline(never)
private func changeExecutor() async { _ = tandem_current_hub() }
