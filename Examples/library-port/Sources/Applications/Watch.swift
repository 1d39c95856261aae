internal import Foundation
internal import Tandem

/// An async application: asks again and again for the versions of all packages, at the same time, and prints new ones.
public struct Watch: Sendable {
    private let versions: @Sendable (_ package: String) async throws -> [String]
    private let download: @Sendable (_ package: String, _ version: String) async throws -> [UInt8]

    /// Creates a watch that reads the registry by these calls.
    public init(
        versions: @escaping @Sendable (_ package: String) async throws -> [String],
        download: @escaping @Sendable (_ package: String, _ version: String) async throws -> [UInt8]
    ) {
        self.versions = versions
        self.download = download
    }

    /// Watches the packages of the command line, on a hub or, with `--pool`, on Swift's own threads. Never returns with `--pool`.
    public func run() throws {
        let arguments = Arguments()
        guard arguments.has("--pool") else { return try Hub.run { await watch(arguments) } }
        Task.detached {
            await watch(arguments)
            exit(0)
        }
        dispatchMain()
    }

    private func watch(_ arguments: Arguments) async {
        var known: [String: String] = [:]
        for round in 0..<arguments.rounds {
            if round > 0 { try? await Task.sleep(for: .milliseconds(100)) }
            let found = await withTaskGroup(of: (String, String).self) { group in
                for package in arguments.packages { group.addTask { (package, await news(package)) } }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            for package in arguments.packages where known[package] != found[package] { print(found[package]!) }
            known = found
        }
    }

    private func news(_ package: String) async -> String {
        do {
            guard let newest = try await versions(package).last else { return "\(package): no version" }
            return "\(package) \(newest): \(try await download(package, newest).count) bytes"
        } catch {
            return "\(error)"
        }
    }
}
