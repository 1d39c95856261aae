import Callers
import RegistryModel
import Testing
import Upstream

extension RegistrySuite {
    @Suite struct Retries {
        @Test(arguments: Pair.all)
        func `an overloaded registry is asked again`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(503), .answer(429), versions("1")]]) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.requests.count == 3)
            }
        }

        @Test(arguments: Pair.all)
        func `a call gives up after its attempts`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(500), .answer(502)]], { $0.attempts = 4 }) { trial in
                await #expect(throws: RegistryError(.unavailable, path: "/tea", status: 502, attempts: 4)) {
                    try await trial.value(.versions("tea"))
                }
                #expect(trial.requests.count == 4)
            }
        }

        @Test(arguments: Pair.all)
        func `a refused request is not repeated`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(410)]]) { trial in
                await #expect(throws: RegistryError(.refused, path: "/tea", status: 410, attempts: 1)) {
                    try await trial.value(.versions("tea"))
                }
                #expect(trial.requests.count == 1)
            }
        }

        @Test(arguments: Pair.all)
        func `an unknown package is not asked for again`(_ pair: Pair) async throws {
            try await withTrial(pair, [:]) { trial in
                await #expect(throws: RegistryError(.unknownPackage, path: "/mud/1", status: 404, attempts: 1)) {
                    try await trial.value(.download("mud", "1"))
                }
                #expect(trial.requests == ["/mud/1"])
            }
        }

        @Test(arguments: Pair.all)
        func `the pause doubles up to its limit`(_ pair: Pair) async throws {
            try await withTrial(
                pair, ["/tea": [.answer(503)]],
                {
                    $0.attempts = 5
                    $0.maxBackoff = .milliseconds(3)
                }
            ) { trial in
                await #expect(throws: RegistryError.self) { try await trial.value(.versions("tea")) }
                #expect(trial.pauses.all == [1, 2, 3, 3].map { .milliseconds($0) })
            }
        }

        @Test(arguments: Pair.all)
        func `Retry-After replaces the pause`(_ pair: Pair) async throws {
            let script = [.answer(503, ["Retry-After": "0"]), versions("1")]
            try await withTrial(pair, ["/tea": script], { $0.backoff = .seconds(3600) }) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.pauses.all == [.zero])
            }
        }

        @Test(arguments: Pair.all)
        func `a Retry-After beyond the limit ends the call`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(429, ["Retry-After": "31"])]]) { trial in
                await #expect(throws: RegistryError(.unavailable, path: "/tea", status: 429, attempts: 1)) {
                    try await trial.value(.versions("tea"))
                }
                #expect(trial.pauses.all.isEmpty)
            }
        }

        @Test(arguments: Pair.all)
        func `a pause holds no place of the pool`(_ pair: Pair) async throws {
            try await withTrial(
                pair, ["/tea": [.answer(503)], "/milk": [versions("1")]],
                {
                    $0.concurrency = 1
                    $0.backoff = .seconds(3600)
                    $0.maxBackoff = .seconds(3600)
                }
            ) { trial in
                let tea = trial.start(.versions("tea"))
                try await trial.until { $0.pausing == 1 }
                try await trial.expect(.versions("milk"), .versions(["1"]))
                tea.cancel()
                await #expect(throws: CancellationError.self) { try await tea.value }
            }
        }

        @Test(arguments: Pair.all)
        func `a dead connection is replaced`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.drop, versions("1")]]) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.requests.count == 2)
            }
        }
    }
}
