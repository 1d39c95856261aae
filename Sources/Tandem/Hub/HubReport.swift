internal import Glibc

/// What a hub has to say about itself: that code holds it, that its waiters are stuck, that a task did not end.
public struct HubReport: Sendable, CustomStringConvertible {
    /// What sort of report; others may be added.
    public struct Kind: RawRepresentable, Hashable, Sendable {
        /// The name of the kind.
        public let rawValue: String
        /// A kind of this name.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// One piece of code holds the hub for longer than `HubConfiguration.stallThreshold`.
        public static let stalled = Kind(rawValue: "stalled")
        /// It has let the hub go.
        public static let stallEnded = Kind(rawValue: "stallEnded")
        /// The hub is idle, and calls wait that it cannot wake by itself.
        public static let stuck = Kind(rawValue: "stuck")
        /// A green thread outlived its hub, and is left where it waits.
        public static let abandoned = Kind(rawValue: "abandoned")
        /// Tasks did not end within `HubConfiguration.stopGrace`.
        public static let unfinished = Kind(rawValue: "unfinished")
        /// A green thread failed, and nobody can wait for it any more.
        public static let failed = Kind(rawValue: "failed")
        /// Anything else.
        public static let other = Kind(rawValue: "other")
    }

    /// What sort of report this is.
    public let kind: Kind
    /// `HubConfiguration.name` of the hub.
    public let hubName: String
    /// The hub's number in its group.
    public let hubIndex: Int
    /// What happened.
    public let message: String
    /// Where the code was that holds the hub.
    public let stack: StackTrace?

    /// The hub, the message, and below it the stack. Looks up symbols: the first time takes milliseconds.
    public var description: String {
        let lines = stack?.description.split(separator: "\n") ?? []
        return "\(hubName)-\(hubIndex): \(message)" + lines.map { "\n    \($0)" }.joined()
    }

    init(_ kind: Kind, _ configuration: HubConfiguration, index: Int, _ message: String, stack: StackTrace? = nil) {
        self.kind = kind
        hubName = configuration.name
        hubIndex = index
        self.message = message
        self.stack = stack
    }

    /// Any thread.
    func deliver(_ configuration: HubConfiguration) {
        if let onReport = configuration.onReport { return onReport(self) }
        // The runtime has no logger of its own.
        let line = "tandem: \(description)\n"
        _ = line.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension Hub {
    /// Says something about the hub itself. Any thread.
    func report(_ kind: HubReport.Kind = .other, _ message: String) {
        HubReport(kind, configuration, index: index, message).deliver(configuration)
    }
}
