internal import Registry2
internal import RegistryModel

/// Both styles, under one name.
struct Stage2: Subject {
    let registry: Registry
    var activity: RegistryActivity { registry.activity }

    func blockingCall(_ ask: Ask, _ cancellation: Cancellation) throws -> RegistryValue {
        switch ask {
        case .versions(let package):
            .versions(try registry.versions(of: package, cancellation: cancellation))
        case .manifest(let package, let version):
            .manifest(try registry.manifest(of: package, version: version, cancellation: cancellation))
        case .download(let package, let version):
            .archive(try registry.download(package, version: version, cancellation: cancellation))
        }
    }

    func asyncCall(_ ask: Ask) async throws -> RegistryValue {
        switch ask {
        case .versions(let package): .versions(try await registry.versions(of: package))
        case .manifest(let package, let version): .manifest(try await registry.manifest(of: package, version: version))
        case .download(let package, let version): .archive(try await registry.download(package, version: version))
        }
    }
}
