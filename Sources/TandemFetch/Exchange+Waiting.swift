internal import Tandem

/// The two loops in which all waiting of this module is done, one a style. A caller that leaves early, by cancellation or
/// any other error, leaves no transfer behind, and nobody who still produces its body.
extension Exchange {
    func run<Value>(_ step: (Exchange) throws -> Step<Value>) async throws -> Value {
        try checkUnused()
        // Not rethrown within `catch`, which the optimizer of Swift 6.3.1 cannot compile here: see docs/runtime-notes.md.
        var outcome: Result<Value, any Error>?
        do {
            while outcome == nil {
                if case .done(let value) = try step(self) { outcome = .success(value) } else { try await parker.park() }
            }
        } catch {
            abandon(because: error)
            outcome = .failure(error)
        }
        await producerToWaitFor?.waitUntilUnwound()
        return try outcome!.get()
    }

    @available(*, noasync)
    func run<Value>(_ file: StaticString, _ line: UInt, _ step: (Exchange) throws -> Step<Value>) throws -> Value {
        try checkUnused()
        do {
            while true {
                if case .done(let value) = try step(self) {
                    if let upload = producerToWaitFor { try awaiting { await upload.waitUntilUnwound() } }
                    return value
                }
                try parker.park(file: file, line: line)
            }
        } catch {
            abandon(because: error)
            if let upload = producerToWaitFor { try awaiting { await upload.waitUntilUnwound() } }
            throw error
        }
    }

    private func checkUnused() throws(FetchError) {
        guard !parker.isOccupied else {
            throw FetchError(.busy, "somebody else already reads this response: one reader at a time")
        }
    }
}
