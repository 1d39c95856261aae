/// The values that are known, each with its validator. Without a lock: its owner has one.
public struct MemoryCache: Sendable {
    /// A value of the cache.
    public struct Entry: Sendable {
        /// The value.
        public var value: RegistryValue
        /// The validator that a request sends as `If-None-Match`.
        public var etag: String?
        /// The time until which the value needs no request.
        public var end: Duration
    }

    private var entries: [Resource: Entry] = [:]

    /// Creates an empty cache.
    public init() {}

    /// Returns the value of a resource if it needs no request.
    public func fresh(_ resource: Resource, at now: Duration) -> RegistryValue? {
        guard let entry = entries[resource], entry.end > now else { return nil }
        return entry.value
    }

    /// Returns the entry of a resource, however old it is.
    public func entry(_ resource: Resource) -> Entry? { entries[resource] }

    /// Keeps a value until `end`.
    public mutating func keep(_ value: RegistryValue, of resource: Resource, etag: String?, until end: Duration) {
        entries[resource] = Entry(value: value, etag: etag, end: end)
    }
}
