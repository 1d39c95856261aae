internal import Applications
internal import Registry0
internal import Tandem
internal import TandemPatch

@main
struct Program {
    static func main() throws {
        try TandemPatch.install()
        let registry = Registry(Arguments.configuration)
        try Watch(
            versions: { package in try await blocking { try registry.versions(of: package) } },
            download: { package, version in try await blocking { try registry.download(package, version: version) } }
        ).run()
    }
}
