import Callers
import RegistryModel
import Testing
import Upstream

extension RegistrySuite {
    @Suite struct Answers {
        @Test(arguments: Pair.all)
        func `an archive with the right checksum is downloaded`(_ pair: Pair) async throws {
            try await withTrial(pair, release("tea", archive: "leaves")) { trial in
                let checksum = sha256(of: Array("leaves".utf8))
                try await trial.expect(.download("tea", "1"), .archive(Array("leaves".utf8)))
                let manifest = Manifest(package: "tea", version: "1", checksum: checksum)
                try await trial.expect(.manifest("tea", "1"), .manifest(manifest))
                #expect(trial.requests == ["/tea/1", "/tea/1.tar"])
            }
        }

        @Test(arguments: Pair.all)
        func `an archive with a wrong checksum is refused and not kept`(_ pair: Pair) async throws {
            var script = release("tea", archive: "leaves")
            script["/tea/1.tar"]?.insert(.answer(200, [:], "dust"), at: 0)
            try await withTrial(pair, script) { trial in
                await #expect(throws: RegistryError(.wrongChecksum, path: "/tea/1.tar", status: 200, attempts: 1)) {
                    try await trial.value(.download("tea", "1"))
                }
                try await trial.expect(.download("tea", "1"), .archive(Array("leaves".utf8)))
            }
        }

        @Test(arguments: Pair.all)
        func `a truncated body is an error of the connection`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1").truncated]], { $0.attempts = 2 }) { trial in
                await #expect(throws: RegistryError(.connection, path: "/tea", attempts: 2)) {
                    try await trial.value(.versions("tea"))
                }
                #expect(trial.requests.count == 2)
            }
        }

        @Test(arguments: Pair.all)
        func `malformed JSON is neither repeated nor kept`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(200, [:], "{\"versions\":"), versions("1")]]) { trial in
                await #expect(throws: RegistryError(.malformed, path: "/tea", status: 200, attempts: 1)) {
                    try await trial.value(.versions("tea"))
                }
                try await trial.expect(.versions("tea"), .versions(["1"]))
            }
        }

        @Test(arguments: Pair.all)
        func `a silent registry times out`(_ pair: Pair) async throws {
            try await withTrial(
                pair, ["/tea": [versions("1").held]],
                {
                    $0.attempts = 2
                    $0.requestTimeout = .milliseconds(50)
                }
            ) { trial in
                await #expect(throws: RegistryError(.timedOut, path: "/tea", attempts: 2)) {
                    try await trial.value(.versions("tea"))
                }
                try await until("\(trial.upstream.log)") { trial.upstream.log.disconnects == 2 }
            }
        }

        @Test(arguments: Pair.all)
        func `an unreachable registry is an error of the connection`(_ pair: Pair) async throws {
            try await withTrial(pair, [:], { $0.url = "http://127.0.0.1:1" }) { trial in
                await #expect(throws: RegistryError(.connection, path: "/tea", attempts: 3)) {
                    try await trial.value(.versions("tea"))
                }
            }
        }

        @Test(arguments: Caller.allCases)
        func `the errors of all stages are equal`(_ caller: Caller) async throws {
            let script: [String: [Upstream.Step]] = [
                "/a": [.answer(404)], "/b": [.answer(451)], "/c": [.answer(503)], "/d": [.answer(200, [:], "?")],
                "/e": [versions("1").truncated], "/f": [.drop],
            ]
            var errors: [[RegistryError]] = []
            for stage in Stage.allCases {
                try await withTrial(Pair(stage: stage, caller: caller), script) { trial in
                    var found: [RegistryError] = []
                    for package in ["a", "b", "c", "d", "e", "f"] {
                        do { _ = try await trial.value(.versions(package)) } catch let error as RegistryError {
                            found.append(error)
                        }
                    }
                    errors.append(found)
                }
            }
            #expect(errors[0].count == 6)
            #expect(Set(errors).count == 1)
        }
    }
}
