internal import Applications
internal import Registry3

@main
struct Program {
    static func main() throws {
        let registry = Registry(Arguments.configuration)
        try Watch(
            versions: { try await registry.versions(of: $0) },
            download: { try await registry.download($0, version: $1) }
        ).run()
    }
}
