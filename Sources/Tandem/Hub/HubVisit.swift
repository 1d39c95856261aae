internal import CTandem

extension Hub {
    /// Runs `body` on this hub, in the caller's task, which then goes on where it was.
    ///
    /// `withTaskExecutorPreference` alone does neither for sure: in optimized code it may leave out the change of executor on the
    /// way there, when `body` does not suspend, and on the way back, where the caller would hold the hub until it suspends.
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

/// Goes over to the executor that the task prefers, and back to the caller's actor, if it has one.
///
/// Not inlined, and with a call in it: else the optimizer takes the change for redundant, or for needless.
@concurrent @inline(never)
private func changeExecutor() async { _ = tandem_current_hub() }
