import Callers
import RegistryModel
import Tandem
import Testing
import Upstream

extension RegistrySuite {
    @Suite struct Flights {
        @Test(arguments: Pair.all)
        func `50 callers share one request`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1").held]]) { trial in
                let calls = (0..<50).map { _ in trial.start(.versions("tea")) }
                try await trial.until { $0.callers == 50 && $0.flights == 1 }
                trial.upstream.release()
                for call in calls { #expect(try await call.value == .versions(["1"])) }
                #expect(trial.requests == ["/tea"])
            }
        }

        @Test(arguments: Pair.all)
        func `all callers of a failed flight get its error`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [Upstream.Step.answer(403).held]]) { trial in
                let calls = (0..<10).map { _ in trial.start(.versions("tea")) }
                try await trial.until { $0.callers == 10 }
                trial.upstream.release()
                for call in calls {
                    await #expect(throws: RegistryError(.refused, path: "/tea", status: 403, attempts: 1)) {
                        try await call.value
                    }
                }
                #expect(trial.requests.count == 1)
            }
        }

        @Test(arguments: Pair.all)
        func `an error is not cached`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(404), versions("1")]]) { trial in
                await #expect(throws: RegistryError.self) { try await trial.value(.versions("tea")) }
                try await trial.expect(.versions("tea"), .versions(["1"]))
            }
        }

        @Test(arguments: Pair.all)
        func `a failed validation keeps the old value's ETag`(_ pair: Pair) async throws {
            let script = [versions("1", etag: "\"a\""), .answer(403), versions("1", etag: "\"a\"")]
            try await withTrial(pair, ["/tea": script]) { trial in
                _ = try await trial.value(.versions("tea"))
                trial.clock.advance(by: .seconds(61))
                await #expect(throws: RegistryError.self) { try await trial.value(.versions("tea")) }
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.upstream.log.requests.map(\.etag) == [nil, "\"a\"", "\"a\""])
            }
        }

        @Test(arguments: Pair.all)
        func `different packages are loaded at the same time`(_ pair: Pair) async throws {
            let packages = ["a", "b", "c", "d"]
            let script = packages.map { ("/\($0)", [versions($0).held]) }
            try await withTrial(pair, Dictionary(uniqueKeysWithValues: script)) { trial in
                let calls = packages.map { trial.start(.versions($0)) }
                try await trial.untilHeld(4)
                trial.upstream.release()
                for (call, package) in zip(calls, packages) { #expect(try await call.value == .versions([package])) }
            }
        }

        @Test(arguments: Stage.allCases)
        func `callers of all kinds share one request`(_ stage: Stage) async throws {
            try await withTrial(Pair(stage: stage, caller: .osThread), ["/tea": [versions("1").held]]) { trial in
                let calls = Caller.allCases.map { $0.call(trial.subject, .versions("tea"), on: Trial.hub) }
                try await trial.until { $0.callers == 4 && $0.flights == 1 }
                trial.upstream.release()
                for call in calls { #expect(try await call.value == .versions(["1"])) }
                #expect(trial.requests == ["/tea"])
            }
        }

        /// Stage 0 has no hub: its first caller stays until the end of the load.
        @Test(arguments: Stage.allCases.dropFirst())
        func `callers outlive the hub of their load`(_ stage: Stage) async throws {
            try await withTrial(Pair(stage: stage, caller: .osThread), ["/tea": [versions("1").held]]) { trial in
                let group = try HubGroup(count: 1)
                let first = Caller.hub.call(trial.subject, .versions("tea"), on: group.hubs[0])
                try await trial.untilHeld(1)
                let second = trial.start(.versions("tea"))
                try await trial.until { $0.callers == 2 }
                await group.shutdown()
                await #expect(throws: CancellationError.self) { try await first.value }
                try await trial.untilHeld(1)
                trial.upstream.release()
                #expect(try await second.value == .versions(["1"]))
            }
        }

        @Test(arguments: Pair.all)
        func `no request exceeds the limit`(_ pair: Pair) async throws {
            let packages = (0..<20).map { "p\($0)" }
            let script = packages.map { ("/\($0)", [versions("1").held]) }
            try await withTrial(pair, Dictionary(uniqueKeysWithValues: script), { $0.concurrency = 3 }) { trial in
                let calls = packages.map { trial.start(.versions($0)) }
                try await trial.until { $0.inLine == 17 }
                try await trial.untilHeld(3)
                trial.upstream.release()
                for call in calls { _ = try await call.value }
                #expect(trial.upstream.log.peak == 3)
                #expect(trial.requests.count == 20)
            }
        }

        @Test(arguments: Pair.all)
        func `requests leave the line in the order of their arrival`(_ pair: Pair) async throws {
            let packages = (0..<8).map { "p\($0)" }
            let script = packages.map { ("/\($0)", [versions("1").held]) }
            try await withTrial(pair, Dictionary(uniqueKeysWithValues: script), { $0.concurrency = 1 }) { trial in
                var calls = [trial.start(.versions("p0"))]
                try await trial.untilHeld(1)
                for (index, package) in packages.enumerated().dropFirst() {
                    calls.append(trial.start(.versions(package)))
                    try await trial.until { $0.inLine == index }
                }
                trial.upstream.release()
                for call in calls { _ = try await call.value }
                #expect(trial.requests == packages.map { "/\($0)" })
            }
        }
    }
}
