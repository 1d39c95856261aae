internal import Registry1
internal import RegistryModel
internal import Tandem

/// Blocking functions that are async inside. A cancelled task cancels them across the bridge.
struct Stage1: Subject {
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
        try await blocking { try blockingCall(ask, Cancellation()) }
    }
}
