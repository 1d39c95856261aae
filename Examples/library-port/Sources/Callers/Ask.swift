public import RegistryModel

/// A call of a registry.
public enum Ask: Sendable {
    /// `versions(of:)`.
    case versions(String)
    /// `manifest(of:version:)`.
    case manifest(String, String)
    /// `download(_:version:)`.
    case download(String, String)
}

/// A registry of any stage, with its own calls in one style, and a bridge to them in the other.
public protocol Subject: Sendable {
    /// Calls the registry from blocking code, on a green thread or an OS thread.
    func blockingCall(_ ask: Ask, _ cancellation: Cancellation) throws -> RegistryValue
    /// Calls the registry from async code.
    func asyncCall(_ ask: Ask) async throws -> RegistryValue
    /// What the registry does at this moment.
    var activity: RegistryActivity { get }
}
