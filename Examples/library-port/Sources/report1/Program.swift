internal import Applications
internal import Registry1

@main
struct Program {
    static func main() throws {
        let registry = Registry(Arguments.configuration)
        try Report(
            versions: { try registry.versions(of: $0) },
            manifest: { try registry.manifest(of: $0, version: $1) },
            download: { try registry.download($0, version: $1) }
        ).run()
    }
}
