import Callers
import Foundation
import RegistryModel
import Testing
import Upstream

extension RegistrySuite {
    /// Each kind of caller cancels by its own means: an OS thread by `Cancellation`, the others by their task.
    @Suite struct Cancellations {
        @Test(arguments: Pair.all)
        func `a call that is cancelled in line leaves it`(_ pair: Pair) async throws {
            let script = ["/a": [versions("1").held], "/b": [versions("1")], "/c": [versions("1")]]
            try await withTrial(pair, script, { $0.concurrency = 1 }) { trial in
                let first = trial.start(.versions("a"))
                try await trial.untilHeld(1)
                let second = trial.start(.versions("b"))
                try await trial.until { $0.inLine == 1 }
                let third = trial.start(.versions("c"))
                try await trial.until { $0.inLine == 2 }
                second.cancel()
                await #expect(throws: CancellationError.self) { try await second.value }
                try await trial.until { $0.inLine == 1 }
                trial.upstream.release()
                #expect(try await first.value == .versions(["1"]))
                #expect(try await third.value == .versions(["1"]))
                #expect(trial.requests == ["/a", "/c"])
            }
        }

        @Test(arguments: Pair.all)
        func `a call that is cancelled during its request closes the connection`(_ pair: Pair) async throws {
            try await withTrial(
                pair, ["/a": [versions("1").held], "/b": [versions("1")]], { $0.concurrency = 1 }
            ) { trial in
                let first = trial.start(.versions("a"))
                try await trial.untilHeld(1)
                let second = trial.start(.versions("b"))
                try await trial.until { $0.inLine == 1 }
                first.cancel()
                await #expect(throws: CancellationError.self) { try await first.value }
                #expect(try await second.value == .versions(["1"]))
                try await until("\(trial.upstream.log)") { trial.upstream.log.disconnects == 1 }
            }
        }

        @Test(arguments: Pair.all)
        func `a call that is cancelled during a pause sends no further request`(_ pair: Pair) async throws {
            try await withTrial(
                pair, ["/tea": [.answer(503)]],
                {
                    $0.backoff = .seconds(3600)
                    $0.maxBackoff = .seconds(3600)
                }
            ) { trial in
                let call = trial.start(.versions("tea"))
                try await trial.until { $0.pausing == 1 }
                call.cancel()
                await #expect(throws: CancellationError.self) { try await call.value }
                #expect(trial.requests.count == 1)
            }
        }

        @Test(arguments: Pair.all)
        func `a flight goes on when one of its callers is cancelled`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1").held]]) { trial in
                let first = trial.start(.versions("tea"))
                try await trial.until { $0.callers == 1 }
                let second = trial.start(.versions("tea"))
                try await trial.until { $0.callers == 2 }
                second.cancel()
                await #expect(throws: CancellationError.self) { try await second.value }
                try await trial.until { $0.callers == 1 }
                trial.upstream.release()
                #expect(try await first.value == .versions(["1"]))
                #expect(trial.requests == ["/tea"])
            }
        }

        @Test(arguments: Pair.all)
        func `a flight goes on when its first caller is cancelled`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1").held]]) { trial in
                let first = trial.start(.versions("tea"))
                try await trial.untilHeld(1)
                let second = trial.start(.versions("tea"))
                try await trial.until { $0.callers == 2 }
                first.cancel()
                try await trial.until { $0.callers == 1 }
                trial.upstream.release()
                #expect(try await second.value == .versions(["1"]))
                await #expect(throws: CancellationError.self) { try await first.value }
                #expect(trial.requests == ["/tea"])
            }
        }

        @Test(arguments: Pair.all)
        func `a flight that all callers have left is not joined`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1").held, versions("2")]]) { trial in
                let first = trial.start(.versions("tea"))
                try await trial.untilHeld(1)
                first.cancel()
                try await trial.until { $0.flights == 0 }
                try await trial.expect(.versions("tea"), .versions(["2"]))
                await #expect(throws: CancellationError.self) { try await first.value }
            }
        }

        @Test(arguments: Pair.all)
        func `a cancelled download ends at its second request, too`(_ pair: Pair) async throws {
            var script = release("tea", archive: "leaves")
            script["/tea/1.tar"] = [Upstream.Step.answer(200, [:], "leaves").held]
            try await withTrial(pair, script) { trial in
                let call = trial.start(.download("tea", "1"))
                try await trial.untilHeld(1)
                call.cancel()
                await #expect(throws: CancellationError.self) { try await call.value }
                #expect(trial.requests == ["/tea/1", "/tea/1.tar"])
            }
        }

        @Test(arguments: Pair.all)
        func `a cancel after the end has no effect`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1")]]) { trial in
                let call = trial.start(.versions("tea"))
                let value = try await call.value
                call.cancel()
                #expect(try await call.value == value)
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.requests.count == 1)
            }
        }

        @Test(arguments: Pair.all)
        func `calls, errors and cancels leave no descriptors behind`(_ pair: Pair) async throws {
            // The first round opens what stays: files of libraries, hubs, the control of the upstream.
            var counts: [Int] = []
            for _ in 0..<3 {
                try await withTrial(pair, ["/a": [versions("1")], "/b": [.answer(404)], "/c": [versions("1").held]]) { trial in
                    _ = try await trial.value(.versions("a"))
                    _ = try? await trial.value(.versions("b"))
                    let call = trial.start(.versions("c"))
                    try await trial.untilHeld(1)
                    call.cancel()
                    await #expect(throws: CancellationError.self) { try await call.value }
                }
                counts.append(try await descriptors(atMost: counts.first))
            }
            #expect(counts[2] <= counts[0], "\(counts)")
        }
    }
}

/// Counts the open descriptors of the process, when they have gone down to `limit` or after 10 seconds.
private func descriptors(atMost limit: Int?) async throws -> Int {
    let end = ContinuousClock.now + .seconds(limit == nil ? 0 : 10)
    while true {
        let count = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        if count <= limit ?? .max || ContinuousClock.now > end { return count }
        try await Task.sleep(for: .milliseconds(5))
    }
}
