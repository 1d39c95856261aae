import Dispatch
import Glibc
import Tandem

// A program that a test runs as a process: only a program has top-level code, which belongs to the main actor.

/// Prints how a call ended.
func report(_ name: String, _ body: () throws -> String) {
    do { print("\(name): \(try body())") } catch let error as TandemError { print("\(name): \(error.code)") } catch {
        print("\(name): \(error)")
    }
}

var count = 0
let text = try awaiting {
    try await sleep(for: .milliseconds(10))
    count += 1
    return "after"
}
print("closure of the main actor: \(text) \(count)")

report("closure of no actor") { try awaiting { @concurrent in await number(3) } }
report("main actor from elsewhere") { try elsewhere() }
report("error") { try awaiting { throw CancellationError() } }

@concurrent func number(_ number: Int) async -> String { "\(number)" }
nonisolated func elsewhere() throws -> String { try awaiting { await MainActor.run { "\(count)" } } }

// In code on the main queue, which cannot run more of the queue.
DispatchQueue.main.async {
    report("within the main queue") { try awaiting { "\(count)" } }
    report("within the main queue, of no actor") { try awaitsNoActor() }
    Task {
        report("in a task of the main actor") { try synchronously { try awaiting { "ran" } } }
        print("done")
        exit(0)
    }
}

nonisolated func awaitsNoActor() throws -> String {
    try awaiting {
        try await sleep(for: .milliseconds(1)); return "waited"
    }
}
func synchronously<Success>(_ body: () throws -> Success) rethrows -> Success { try body() }
dispatchMain()
