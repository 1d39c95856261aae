internal import Applications
internal import Registry3
internal import Tandem

@main
struct Program {
    static func main() throws {
        let registry = Registry(Arguments.configuration)
        try Report(
            versions: { package in try awaiting { try await registry.versions(of: package) } },
            manifest: { package, version in try awaiting { try await registry.manifest(of: package, version: version) } },
            download: { package, version in try awaiting { try await registry.download(package, version: version) } }
        ).run()
    }
}
