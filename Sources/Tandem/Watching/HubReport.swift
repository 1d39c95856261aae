internal import Glibc

/// A report of a hub about itself: code holds it, its waiters are stuck, or a task did not end.
public struct HubReport: Sendable, CustomStringConvertible {
    /// The kind of a report. Later versions may add kinds.
    public struct Kind: RawRepresentable, Hashable, Sendable {
        /// The name of the kind.
        public let rawValue: String
        /// Creates a kind from its name.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// One piece of code has held the hub for longer than `HubConfiguration.stallThreshold`.
        public static let stalled = Kind(rawValue: "stalled")
        /// The code that held the hub has released it.
        public static let stallEnded = Kind(rawValue: "stallEnded")
        /// The hub is idle, and calls wait that only another thread can wake.
        public static let stuck = Kind(rawValue: "stuck")
        /// A green thread outlived its hub and is left suspended forever.
        public static let abandoned = Kind(rawValue: "abandoned")
        /// Tasks did not end within `HubConfiguration.stopGrace`.
        public static let unfinished = Kind(rawValue: "unfinished")
        /// A green thread failed, and its last reference was dropped before anyone waited for it.
        public static let failed = Kind(rawValue: "failed")
        /// A task on no hub called blocking code. Reported once per process, by the hub that runs the code.
        public static let leftHub = Kind(rawValue: "leftHub")
        /// A `Descriptor` was dropped without `close`.
        public static let dropped = Kind(rawValue: "dropped")
        /// Any other report.
        public static let other = Kind(rawValue: "other")
    }

    /// The kind of this report.
    public let kind: Kind
    /// The hub's `HubConfiguration.name`.
    public let hubName: String
    /// The hub's number in its group.
    public let hubIndex: Int
    /// The text of the report.
    public let message: String
    /// The stack of the code that holds the hub; nil for other kinds, and if it could not be read.
    public let stack: StackTrace?
    /// The code that holds or has held a hub.
    public enum Holder: Hashable, Sendable, CustomStringConvertible {
        /// A green thread, with the number of its stack and its name.
        case greenThread(number: Int, name: String)
        /// Code on the hub's own stack.
        case asyncCode

        /// The holder as text, such as `green thread 4 "GET /report"` or `async code`.
        public var description: String {
            switch self {
            case .greenThread(let number, let name): "green thread \(number) \"\(name)\""
            case .asyncCode: "async code"
            }
        }
    }

    /// The code that holds or held the hub; nil for kinds other than `stalled` and `stallEnded`.
    public let holder: Holder?
    /// How long the code has held the hub; nil if `holder` is, and for `Hub.sighting()`.
    public let held: Duration?
    /// What the hub did in the second before the stall, a line each: first the job that holds it, then the jobs and green threads that
    /// ran longest. Empty for other kinds, and while hubs do not record (`HubConfiguration.recordsAlways`).
    public let before: [String]

    /// The hub, the message, and below it the stack and what happened before. Looks up symbols, which takes milliseconds the first time.
    public var description: String {
        let lines = (stack?.description.split(separator: "\n").map(String.init) ?? []) + before
        return "\(hubName)-\(hubIndex): \(message)" + lines.map { "\n    \($0)" }.joined()
    }

    init(
        _ kind: Kind, _ configuration: HubConfiguration, index: Int, _ message: String, stack: StackTrace? = nil,
        holder: Holder? = nil, held: Duration? = nil, before: [String] = []
    ) {
        self.kind = kind
        hubName = configuration.name
        hubIndex = index
        self.message = message
        self.stack = stack
        self.holder = holder
        self.held = held
        self.before = before
    }

    /// Passes the report to `onReport`, or writes it to standard error. Any thread.
    func deliver(_ configuration: HubConfiguration) {
        if let onReport = configuration.onReport { return onReport(self) }
        // The runtime does not depend on a logging package.
        let line = "tandem: \(description)\n"
        _ = line.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension Hub {
    /// Reports something about the hub itself. Any thread.
    func report(_ kind: HubReport.Kind = .other, _ message: String) {
        HubReport(kind, configuration, index: index, message).deliver(configuration)
    }
}
