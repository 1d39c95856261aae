internal import Tandem

/// The two loops in which all waiting of this module is done, one a style. A caller that leaves early, by cancellation or
/// any other error, leaves no transfer behind.
extension Exchange {
    func run<Value>(_ step: (Exchange) throws -> Step<Value>) async throws -> Value {
        try checkUnused()
        var isDone = false
        defer { if !isDone { abandon() } }
        while true {
            if case .done(let value) = try step(self) {
                isDone = true
                return value
            }
            try await parker.park()
        }
    }

    @available(*, noasync)
    func run<Value>(_ file: StaticString, _ line: UInt, _ step: (Exchange) throws -> Step<Value>) throws -> Value {
        try checkUnused()
        var isDone = false
        defer { if !isDone { abandon() } }
        while true {
            if case .done(let value) = try step(self) {
                isDone = true
                return value
            }
            try parker.park(file: file, line: line)
        }
    }

    private func checkUnused() throws(FetchError) {
        guard !parker.isOccupied else {
            throw FetchError(.busy, "somebody else already reads this response: one reader at a time")
        }
    }
}
