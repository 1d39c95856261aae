internal import Applications
internal import Registry1
internal import Tandem

@main
struct Program {
    static func main() throws {
        let registry = Registry(Arguments.configuration)
        try Watch(
            versions: { package in try await blocking { try registry.versions(of: package) } },
            download: { package, version in try await blocking { try registry.download(package, version: version) } }
        ).run()
    }
}
