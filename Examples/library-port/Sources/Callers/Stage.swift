internal import Registry0
internal import Registry1
internal import Registry2
internal import Registry3
public import RegistryModel

/// A stage of the library.
public enum Stage: String, CaseIterable, Sendable, CustomStringConvertible {
    /// Blocking, without Tandem.
    case stage0
    /// Blocking outside, async inside.
    case stage1
    /// Async, with deprecated blocking forms.
    case stage2
    /// Async only, without Tandem.
    case stage3

    /// The name.
    public var description: String { rawValue }

    /// Creates a registry of this stage. Stage 3 runs its loads on `executor`; the other stages choose a hub themselves.
    public func registry(_ configuration: RegistryConfiguration, on executor: (any TaskExecutor)? = nil) -> any Subject {
        switch self {
        case .stage0: Stage0(registry: Registry0.Registry(configuration))
        case .stage1: Stage1(registry: Registry1.Registry(configuration))
        case .stage2: Stage2(registry: Registry2.Registry(configuration))
        case .stage3: Stage3(registry: Registry3.Registry(configuration, on: executor))
        }
    }
}
