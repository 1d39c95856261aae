import Callers
import Foundation
import RegistryModel
import Testing
import Upstream

extension RegistrySuite {
    @Suite struct Cache {
        @Test(arguments: Pair.all)
        func `a cached value needs no request`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1", "2")]]) { trial in
                for _ in 0..<3 { try await trial.expect(.versions("tea"), .versions(["1", "2"])) }
                #expect(trial.requests == ["/tea"])
            }
        }

        @Test(arguments: Pair.all)
        func `a value is used until its time is over`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1"), versions("2")]]) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                trial.clock.advance(by: .seconds(59))
                try await trial.expect(.versions("tea"), .versions(["1"]))
                trial.clock.advance(by: .seconds(2))
                try await trial.expect(.versions("tea"), .versions(["2"]))
                #expect(trial.requests.count == 2)
            }
        }

        @Test(arguments: Pair.all)
        func `an old value is validated by its ETag`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1", etag: "\"a\"")]]) { trial in
                _ = try await trial.value(.versions("tea"))
                trial.clock.advance(by: .seconds(61))
                _ = try await trial.value(.versions("tea"))
                #expect(trial.upstream.log.requests.map(\.etag) == [nil, "\"a\""])
            }
        }

        @Test(arguments: Pair.all)
        func `a 304 keeps the value for another time to live`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1", etag: "\"a\"")]]) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                trial.clock.advance(by: .seconds(61))
                try await trial.expect(.versions("tea"), .versions(["1"]))
                trial.clock.advance(by: .seconds(59))
                try await trial.expect(.versions("tea"), .versions(["1"]))
                #expect(trial.requests.count == 2)
            }
        }

        @Test(arguments: Pair.all)
        func `a changed ETag replaces the value`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [versions("1", etag: "\"a\""), versions("1", "2", etag: "\"b\"")]]) { trial in
                try await trial.expect(.versions("tea"), .versions(["1"]))
                for _ in 0..<2 {
                    trial.clock.advance(by: .seconds(61))
                    try await trial.expect(.versions("tea"), .versions(["1", "2"]))
                }
                #expect(trial.upstream.log.requests.map(\.etag) == [nil, "\"a\"", "\"b\""])
            }
        }

        @Test(arguments: Pair.all)
        func `a 304 to a request without an ETag is malformed`(_ pair: Pair) async throws {
            try await withTrial(pair, ["/tea": [.answer(304)]]) { trial in
                await #expect(throws: RegistryError(.malformed, path: "/tea", status: 304, attempts: 1)) {
                    try await trial.value(.versions("tea"))
                }
            }
        }

        @Test(arguments: Pair.all)
        func `an archive in the file cache needs no request`(_ pair: Pair) async throws {
            try await withDirectory { directory in
                for expected in [["/tea/1", "/tea/1.tar"], ["/tea/1"]] {
                    try await withTrial(pair, release("tea", archive: "leaves"), { $0.directory = directory }) { trial in
                        try await trial.expect(.download("tea", "1"), .archive(Array("leaves".utf8)))
                        #expect(trial.requests == expected)
                    }
                }
            }
        }

        @Test(arguments: Pair.all)
        func `a damaged file is fetched again`(_ pair: Pair) async throws {
            try await withDirectory { directory in
                let file = URL(filePath: directory).appending(path: sha256(of: Array("leaves".utf8)))
                try Data("dust".utf8).write(to: file)
                try await withTrial(pair, release("tea", archive: "leaves"), { $0.directory = directory }) { trial in
                    try await trial.expect(.download("tea", "1"), .archive(Array("leaves".utf8)))
                    #expect(trial.requests == ["/tea/1", "/tea/1.tar"])
                    #expect(try Data(contentsOf: file) == Data("leaves".utf8))
                }
            }
        }
    }
}

/// Runs `body` with a temporary directory.
private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "registry-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    try await body(directory.path)
}
