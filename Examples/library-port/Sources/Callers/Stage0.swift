internal import Registry0
internal import RegistryModel
internal import Tandem

/// The blocking library. It knows nothing of tasks, so its async caller brings the bridge.
struct Stage0: Subject {
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

    // A cancelled task cancels the call by its `Cancellation`. The shield keeps the cancellation from the system calls of the
    // library, which other callers may wait for.
    func asyncCall(_ ask: Ask) async throws -> RegistryValue {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCancellationShield { try await blocking { try blockingCall(ask, cancellation) } }
        } onCancel: {
            cancellation.cancel()
        }
    }
}
