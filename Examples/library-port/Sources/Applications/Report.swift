public import RegistryModel
internal import Tandem

/// A blocking application: prints the newest version of each package, and the size of its verified archive.
public struct Report: Sendable {
    private let versions: @Sendable (_ package: String) throws -> [String]
    private let manifest: @Sendable (_ package: String, _ version: String) throws -> Manifest
    private let download: @Sendable (_ package: String, _ version: String) throws -> [UInt8]

    /// Creates a report that reads the registry by these calls.
    public init(
        versions: @escaping @Sendable (_ package: String) throws -> [String],
        manifest: @escaping @Sendable (_ package: String, _ version: String) throws -> Manifest,
        download: @escaping @Sendable (_ package: String, _ version: String) throws -> [UInt8]
    ) {
        self.versions = versions
        self.manifest = manifest
        self.download = download
    }

    /// Prints the report of the packages of the command line: on the main thread or, with `--green`, each on a green thread.
    public func run() throws {
        let arguments = Arguments()
        guard arguments.has("--green") else {
            for package in arguments.packages { print(line(package)) }
            return
        }
        try Hub.run {
            let lines = arguments.packages.map { package in spawn { line(package) } }
            for line in lines { print(try await line.wait()) }
        }
    }

    private func line(_ package: String) -> String {
        do {
            guard let newest = try versions(package).last else { return "\(package): no version" }
            let manifest = try manifest(package, newest)
            let archive = try download(package, newest)
            return "\(package) \(newest): \(archive.count) bytes, SHA-256 \(manifest.checksum.prefix(12))…"
        } catch {
            return "\(error)"
        }
    }
}
