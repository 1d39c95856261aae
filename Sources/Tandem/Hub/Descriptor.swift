internal import CTandem
internal import Glibc

/// A file descriptor registered with a hub: both styles wait on it, one reader and one writer at a time, or any number
/// where it is shared.
///
/// Every call is made on the hub's thread. The descriptor owns the number: `close` closes it, wakes whoever waits, and
/// from then on every call throws `closed`, also when the kernel has given the number to somebody else. When other code
/// closes the number behind its back, it is as if `close` had been called, as soon as the hub notices: when the number is
/// adopted again, or within a few of `HubConfiguration.auditInterval`.
public final class Descriptor {
    /// What the kernel has said of the peer.
    public struct PeerState: OptionSet, Sendable {
        /// The bits.
        public let rawValue: UInt32
        /// A set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// The peer will send no more (FIN); it may still read.
        public static let halfClosed = PeerState(rawValue: 1)
        /// The connection is gone in both directions (reset, error, or both sides shut).
        public static let gone = PeerState(rawValue: 2)
    }

    /// A direction to wait for.
    public enum Direction: Sendable { case readable, writable }

    /// The hub it is registered with.
    public let hub: Hub
    /// The number; meaningless after `close`.
    public let fd: CInt
    /// Called on the hub, once for each change, when the peer half-closes or goes away. Must not block.
    @exclusivity(unchecked) public var onPeerChange: ((PeerState) -> Void)?
    /// Who is told, once, of the next thing to read. See `whenReadable`.
    @exclusivity(unchecked) private var readHandler: (() -> Void)?
    /// Called once, when there is room to write. See `whenWritable`.
    @exclusivity(unchecked) private var writeHandler: (() -> Void)?
    /// What is known of the peer.
    @exclusivity(unchecked) public private(set) var peer: PeerState = []

    // Open once the poller has it: an initializer that throws leaves nothing to close.
    @exclusivity(unchecked) private(set) var isClosed = true
    // Until a send says otherwise.
    @exclusivity(unchecked) var isSocket = true
    // Asked when it first matters.
    @exclusivity(unchecked) private var knownStream: Bool?
    @exclusivity(unchecked) var reading = Readiness()
    @exclusivity(unchecked) var writing = Readiness()
    /// Whether several may wait for the same direction.
    public let isShared: Bool
    // A level-triggered watcher, for libraries that do their own reading and writing.
    private let watcher: ((WatchEvents) -> Void)?

    /// Takes over `fd`, which must be non-blocking, on the current hub.
    ///
    /// - Parameter sharing: Lets several callers wait for the same direction. They take turns, first come, first served:
    ///   when there is something the first looks, and each in turn until one of them finds nothing.
    /// - Throws: `TandemError`: `invalidArgument` for a regular file, `descriptorBusy` for a number that is registered
    ///   already, `systemCall` for a bad one.
    public init(adopting fd: CInt, sharing: Bool = false) throws(TandemError) {
        guard let hub = Hub.current else {
            throw TandemError(.hubStopped, "a Descriptor is made on a hub's thread; this is none")
        }
        self.hub = hub
        self.fd = fd
        isShared = sharing
        watcher = nil
        try hub.registrations.add(
            self, fd: fd, events: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue)
        isClosed = false
    }

    /// What a watcher is told.
    public struct WatchEvents: OptionSet, Sendable {
        /// The bits.
        public let rawValue: UInt32
        /// A set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// There is something to read, or the end.
        public static let readable = WatchEvents(rawValue: 1)
        /// There is room to write.
        public static let writable = WatchEvents(rawValue: 2)
        /// An error, or both sides have shut.
        public static let failed = WatchEvents(rawValue: 4)
    }

    /// Watches a number that somebody else owns (libcurl), level-triggered, calling `handler` on the hub's own stack.
    /// End it with `stopWatching`; the number is never closed from here.
    public init(watching fd: CInt, for events: WatchEvents, handler: @escaping (WatchEvents) -> Void) throws(TandemError) {
        guard let hub = Hub.current else {
            throw TandemError(.hubStopped, "a Descriptor is made on a hub's thread; this is none")
        }
        self.hub = hub
        self.fd = fd
        isShared = false
        watcher = handler
        try hub.registrations.add(self, fd: fd, events: Descriptor.epollEvents(events))
        isClosed = false
    }

    deinit {
        precondition(isClosed, "Descriptor \(fd) was dropped without close() or stopWatching()")
    }

    /// Whether a read that falls short has taken all there was.
    var isStream: Bool {
        if let knownStream { return knownStream }
        let isStream = tandem_is_stream(fd)
        knownStream = isStream
        return isStream
    }

    // MARK: Ending

    /// Closes the number and wakes whoever waits with `closed`. Harmless when closed already.
    public func close() {
        guard release() else { return }
        _ = Glibc.close(fd)
    }

    /// Gives the number up without closing it, and returns it.
    public func relinquish() -> CInt {
        _ = release()
        return fd
    }

    /// Ends a watch. The number belongs to somebody else and stays as it is.
    public func stopWatching() { _ = release() }

    /// Changes what is watched for.
    public func watch(for events: WatchEvents) throws(TandemError) {
        guard !isClosed else { return }
        try hub.registrations.modify(fd: fd, events: Descriptor.epollEvents(events))
    }

    private func release() -> Bool {
        hub.preconditionOnThread("Descriptor.close")
        guard !isClosed else { return false }
        isClosed = true
        onPeerChange = nil
        hub.registrations.remove(fd: fd)
        tellReader()
        tellWriter()
        reading.forEach { hub.wake($0, TANDEM_WAKE_CLOSED) }
        writing.forEach { hub.wake($0, TANDEM_WAKE_CLOSED) }
        return true
    }

    /// The number is no longer what was adopted: somebody closed it. It must not be closed again, it may be another's.
    func wasClosedElsewhere() { _ = release() }

    /// Whether a call waits on it.
    var isWaitedOn: Bool { !reading.isEmpty || !writing.isEmpty || readHandler != nil || writeHandler != nil }

    /// Bytes that were written and that the peer's side has not acknowledged; nil where the kernel does not tell. The kernel
    /// calls a socket writable only when a good part of its buffer is free: a peer that takes little at a time shows here.
    package var unacknowledged: Int? {
        let bytes = tandem_send_queue(fd)
        return bytes < 0 ? nil : Int(bytes)
    }

    // MARK: Without a task

    /// Calls `handler` once, on the hub's own stack, when there may be something to read or the descriptor is closed: who has
    /// nothing to do until then needs no task to wait with. At once, if that is so already. It must not block, and may spawn.
    ///
    /// `wakeReader` calls it too. In place of an earlier handler.
    public func whenReadable(_ handler: @escaping () -> Void) {
        hub.preconditionOnThread("Descriptor.whenReadable")
        readHandler = handler
        if isClosed || reading.isReady { tellReader() }
    }

    /// Calls `handler` once, on the hub's own stack, when there may be room to write or the descriptor is closed; at once, if
    /// that is so already. It must not block, and may spawn. Replaces an earlier handler.
    package func whenWritable(_ handler: @escaping () -> Void) {
        hub.preconditionOnThread("Descriptor.whenWritable")
        writeHandler = handler
        if isClosed || writing.isReady { tellWriter() }
    }

    /// Calls the handler that waits for room to write, if there is one.
    func tellWriter() {
        guard let handler = writeHandler else { return }
        writeHandler = nil
        handler()
    }

    /// Calls the handler that waits for something to read, if there is one.
    func tellReader() {
        guard let handler = readHandler else { return }
        readHandler = nil
        handler()
    }

    // MARK: Events

    /// Called when the kernel has told something.
    func handle(_ events: UInt32) {
        let ended = EPOLLERR.rawValue | EPOLLHUP.rawValue
        if let watcher {
            var told: WatchEvents = []
            if events & EPOLLIN.rawValue != 0 { told.insert(.readable) }
            if events & EPOLLOUT.rawValue != 0 { told.insert(.writable) }
            if events & ended != 0 { told.insert(.failed) }
            watcher(told)
            return
        }
        var change: PeerState = []
        if events & ended != 0 { change.insert(.gone) }
        if events & EPOLLRDHUP.rawValue != 0 { change.insert(.halfClosed) }
        let hasChanged = !change.isSubset(of: peer)
        // First: a handler that reads what has come with the peer's end must know that the end is still to be read.
        peer.formUnion(change)
        if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | ended) != 0 {
            becameReady(to: .readable)
        }
        if events & (EPOLLOUT.rawValue | ended) != 0 {
            becameReady(to: .writable)
        }
        if hasChanged { onPeerChange?(peer) }
    }

    private static func epollEvents(_ events: WatchEvents) -> UInt32 {
        (events.contains(.readable) ? EPOLLIN.rawValue : 0) | (events.contains(.writable) ? EPOLLOUT.rawValue : 0)
    }
}
