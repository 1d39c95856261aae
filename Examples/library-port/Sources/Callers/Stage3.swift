internal import Registry3
internal import RegistryModel
internal import Tandem

/// Async only. A blocking caller brings the bridge, and its `Cancellation` where it has no task.
struct Stage3: Subject {
    let registry: Registry
    var activity: RegistryActivity { registry.activity }

    func blockingCall(_ ask: Ask, _ cancellation: Cancellation) throws -> RegistryValue {
        try awaiting { try await call(ask, cancellation) }
    }

    func asyncCall(_ ask: Ask) async throws -> RegistryValue { try await call(ask, nil) }

    private func call(_ ask: Ask, _ cancellation: Cancellation?) async throws -> RegistryValue {
        switch ask {
        case .versions(let package):
            .versions(try await registry.versions(of: package, cancellation: cancellation))
        case .manifest(let package, let version):
            .manifest(try await registry.manifest(of: package, version: version, cancellation: cancellation))
        case .download(let package, let version):
            .archive(try await registry.download(package, version: version, cancellation: cancellation))
        }
    }
}
