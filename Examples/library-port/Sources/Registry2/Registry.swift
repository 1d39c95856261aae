public import RegistryModel
internal import Synchronization
internal import Tandem

/// A client of a package registry. Any thread may call it, and all calls share its cache and its limit of requests.
///
/// Each call waits until the value is there. It throws `RegistryError`, or `CancellationError` if it was cancelled. The blocking
/// forms are deprecated.
public final class Registry: Sendable {
    private let configuration: RegistryConfiguration
    private let rules: RetryRules
    private let cache = Mutex(MemoryCache())
    private let files: FileCache?
    private let flights = Flights()
    private let turns: Semaphore
    private let transport: Transport
    private let pausing = Atomic<Int>(0)

    /// Creates a client with an empty cache.
    public init(_ configuration: RegistryConfiguration) {
        self.configuration = configuration
        rules = RetryRules(configuration)
        files = configuration.directory.map { FileCache(directory: $0) }
        turns = Semaphore(configuration.concurrency)
        transport = Transport(configuration)
    }

    /// Returns the versions of a package, oldest first.
    public func versions(of package: String, cancellation: Cancellation? = nil) async throws -> [String] {
        try await value(of: .versions(of: package), cancellation).versions
    }

    /// The blocking form of `versions(of:)`.
    @available(*, noasync)
    @available(*, deprecated, message: "await versions(of:)")
    public func versions(of package: String, cancellation: Cancellation? = nil) throws -> [String] {
        try awaiting { try await versions(of: package, cancellation: cancellation) }
    }

    /// Returns the manifest of a version.
    public func manifest(of package: String, version: String, cancellation: Cancellation? = nil) async throws -> Manifest {
        try await value(of: .manifest(of: package, version: version), cancellation).manifest
    }

    /// The blocking form of `manifest(of:version:)`.
    @available(*, noasync)
    @available(*, deprecated, message: "await manifest(of:version:)")
    public func manifest(of package: String, version: String, cancellation: Cancellation? = nil) throws -> Manifest {
        try awaiting { try await manifest(of: package, version: version, cancellation: cancellation) }
    }

    /// Returns the archive of a version, which has the checksum of its manifest.
    public func download(_ package: String, version: String, cancellation: Cancellation? = nil) async throws -> [UInt8] {
        let checksum = try await manifest(of: package, version: version, cancellation: cancellation).checksum
        return try await value(of: .archive(of: package, version: version, checksum: checksum), cancellation).archive
    }

    /// The blocking form of `download(_:version:)`.
    @available(*, noasync)
    @available(*, deprecated, message: "await download(_:version:)")
    public func download(_ package: String, version: String, cancellation: Cancellation? = nil) throws -> [UInt8] {
        try awaiting { try await download(package, version: version, cancellation: cancellation) }
    }

    /// What the registry does at this moment.
    public var activity: RegistryActivity {
        let (flights, callers) = flights.counts
        return RegistryActivity(
            flights: flights, callers: callers, inLine: turns.waiting, pausing: pausing.load(ordering: .relaxed))
    }

    /// Returns a value of the cache, or the value of a flight.
    private func value(of resource: Resource, _ cancellation: Cancellation?) async throws -> RegistryValue {
        if let value = cache.withLock({ $0.fresh(resource, at: configuration.now()) }) { return value }
        return try await flights.join(resource, cancellation) { try await self.load(resource) }
    }

    /// Loads a value for all callers of a flight.
    private func load(_ resource: Resource) async throws -> RegistryValue {
        let known = cache.withLock { $0.entry(resource) }
        // Another load may have ended since the caller looked.
        if let known, known.end > configuration.now() { return known.value }
        if let files, let checksum = resource.checksum, let bytes = try await offload({ files.read(checksum) }) {
            return keep(.archive(bytes), of: resource, etag: nil)
        }
        for attempt in 1... {
            let answer = try await turns.withPermit {
                try await transport.get(resource.path, ifNoneMatch: known?.etag)
            }
            switch rules.verdict(on: answer, for: resource, attempt: attempt) {
            case .value(let value):
                if let files, let checksum = resource.checksum {
                    try await offload { files.write(value.archive, checksum) }
                }
                return keep(value, of: resource, etag: try? answer.get().etag)
            case .unchanged:
                guard let known else { throw RegistryError(.malformed, path: resource.path, status: 304, attempts: attempt) }
                return keep(known.value, of: resource, etag: known.etag)
            case .failed(let error):
                throw error
            case .again(let pause):
                try await wait(pause)
            }
        }
        preconditionFailure("the rules end each load")
    }

    private func wait(_ pause: Duration) async throws {
        configuration.willPause(pause)
        pausing.add(1, ordering: .relaxed)
        defer { pausing.subtract(1, ordering: .relaxed) }
        try await sleep(for: pause)
    }

    private func keep(_ value: RegistryValue, of resource: Resource, etag: String?) -> RegistryValue {
        cache.withLock {
            $0.keep(value, of: resource, etag: etag, until: configuration.now() + configuration.timeToLive)
        }
        return value
    }
}
