internal import CTandem
internal import Glibc
internal import Synchronization

/// A file descriptor that is registered with a hub, so that both styles can wait for it: one reader and one writer at a time, or
/// any number if the descriptor is shared.
///
/// All calls must be made on the hub's thread. The descriptor owns the number: `close` closes it and wakes the callers that wait.
/// From then on every call throws `closed`, also if the kernel has given the number to another file. If the last reference goes away
/// without `close`, on the hub's thread, the number is closed and the hub reports it; on another thread that traps.
///
/// If other code closes the number, the hub closes the descriptor as soon as it notices: when the number is adopted again, or in
/// one of the audits that an idle hub makes every `HubConfiguration.auditInterval`.
public final class Descriptor {
    /// The state of the peer, as far as the kernel has reported it.
    public struct PeerState: OptionSet, Sendable {
        /// The bits of the set.
        public let rawValue: UInt32
        /// Creates a set from its bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// The peer will send nothing more (FIN); it may still read.
        public static let halfClosed = PeerState(rawValue: 1)
        /// The connection has ended in both directions (reset, error, or shut down by both sides).
        public static let gone = PeerState(rawValue: 2)
    }

    /// A direction to wait for.
    public enum Direction: Sendable {
        /// The descriptor has something to read, or the peer has ended its side.
        case readable
        /// The descriptor has room to write.
        case writable
    }

    /// The hub that the descriptor is registered with.
    public let hub: Hub
    /// The file descriptor's number; invalid after `close`.
    public let fd: CInt
    /// Called on the hub's own stack with the new state, once per change, when the peer half-closes or goes away. Must not block.
    @exclusivity(unchecked) public var onPeerChange: ((PeerState) -> Void)?
    /// The handler to call once when there may be something to read. See `whenReadable`.
    @exclusivity(unchecked) private var readHandler: (() -> Void)?
    /// The handler to call once when there may be room to write. See `whenWritable`.
    @exclusivity(unchecked) private var writeHandler: (() -> Void)?
    /// The known state of the peer.
    @exclusivity(unchecked) public private(set) var peer: PeerState = []

    // False once the poller has accepted it: an initializer that throws leaves nothing to close.
    @exclusivity(unchecked) package private(set) var isClosed = true
    // Assumed until a send reports ENOTSOCK.
    @exclusivity(unchecked) var isSocket = true
    // Determined when it is first needed.
    @exclusivity(unchecked) private var knownStream: Bool?
    @exclusivity(unchecked) var reading = Readiness()
    @exclusivity(unchecked) var writing = Readiness()
    /// Whether several callers may wait for the same direction.
    public let isShared: Bool
    // Whether a thread has closed it, or found it closed, after the hub's loop had ended.
    private let isLeftByHub = Atomic(false)
    // The handler of a level-triggered watch, for libraries that read and write by themselves.
    private let watcher: ((WatchEvents) -> Void)?

    /// Takes ownership of `fd`, which must be non-blocking, and registers it with the current hub.
    ///
    /// - Parameters:
    ///   - fd: The number to adopt. If this throws, the caller still owns it.
    ///   - sharing: Whether several callers may wait for the same direction. They take turns in order of arrival: when there is
    ///     something, the first tries, then each in turn until one of them finds nothing.
    /// - Throws: `TandemError`: `invalidArgument` for a regular file or directory, `descriptorBusy` for a number that is already
    ///   registered, `systemCall` for an invalid number, `hubStopped` if the calling thread has no hub.
    public init(adopting fd: CInt, sharing: Bool = false) throws(TandemError) {
        guard let hub = Hub.current else {
            throw TandemError(.hubStopped, "a Descriptor must be created on the thread of a hub; this thread has none")
        }
        self.hub = hub
        self.fd = fd
        isShared = sharing
        watcher = nil
        try hub.registrations.add(
            self, fd: fd, events: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue)
        isClosed = false
    }

    /// The events of a level-triggered watch.
    public struct WatchEvents: OptionSet, Sendable {
        /// The bits of the set.
        public let rawValue: UInt32
        /// Creates a set from its bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// There is something to read, or the stream has ended.
        public static let readable = WatchEvents(rawValue: 1)
        /// There is room to write.
        public static let writable = WatchEvents(rawValue: 2)
        /// There is an error, or both sides have shut the connection down.
        public static let failed = WatchEvents(rawValue: 4)
    }

    /// Watches a number that other code owns (such as libcurl), level-triggered, on the current hub. End the watch with
    /// `stopWatching`; do not call `close`, which would close the number.
    ///
    /// - Parameters:
    ///   - fd: The number to watch. Its owner must not close it before `stopWatching`.
    ///   - events: The events to watch for. `failed` is always reported.
    ///   - handler: Called with the events on the hub's own stack; must not block.
    /// - Throws: `TandemError`, as `init(adopting:sharing:)` does.
    public init(watching fd: CInt, for events: WatchEvents, handler: @escaping (WatchEvents) -> Void) throws(TandemError) {
        guard let hub = Hub.current else {
            throw TandemError(.hubStopped, "a Descriptor must be created on the thread of a hub; this thread has none")
        }
        self.hub = hub
        self.fd = fd
        isShared = false
        watcher = handler
        try hub.registrations.add(self, fd: fd, events: Descriptor.epollEvents(events))
        isClosed = false
    }

    deinit {
        guard !isClosed else { return }
        precondition(
            hub.isOnItsThread || hub.hasEnded,
            "Descriptor \(fd) was dropped without close() on another thread than that of its hub")
        if !hub.hasEnded { hub.registrations.remove(fd: fd) }
        if watcher == nil {
            _ = Glibc.close(fd)
            hub.report(.dropped, "Descriptor \(fd) was dropped without close(), and is closed now: call close() when it is done")
        } else {
            hub.report(.dropped, "Descriptor \(fd) was dropped without stopWatching(), and is not watched any more")
        }
    }

    /// Whether a read that falls short has taken everything that was available.
    var isStream: Bool {
        if let knownStream { return knownStream }
        let isStream = tandem_is_stream(fd)
        knownStream = isStream
        return isStream
    }

    // MARK: Ending

    /// Closes the number, close(2), and wakes the callers that wait: they throw `closed`. Does nothing if already closed.
    public func close() {
        guard release() else { return }
        _ = Glibc.close(fd)
    }

    /// Closes the number from any thread: at once on the hub's thread, otherwise in one of the hub's next turns. If the hub has
    /// stopped, no call waits here any more, and the number is closed on a thread of Swift's own.
    package func closeOnHub() {
        if hub.isCurrent { return close() }
        // Only the hub uses the descriptor until it has closed it: this call reads constants only.
        nonisolated(unsafe) let descriptor = self
        Task.detached(executorPreference: hub) {
            if descriptor.hub.isCurrent { descriptor.close() } else { descriptor.closeAfterHub() }
        }
    }

    /// Closes the number after the hub's loop has ended. The kernel then removes it from the poller by itself. Several threads may
    /// call it at once, and only the first looks at the descriptor's state.
    private func closeAfterHub() {
        guard !isLeftByHub.exchange(true, ordering: .acquiringAndReleasing), !isClosed else { return }
        isClosed = true
        _ = Glibc.close(fd)
    }

    /// Unregisters the number without closing it, and returns it: the caller owns it again. Callers that wait throw `closed`.
    public func relinquish() -> CInt {
        _ = release()
        return fd
    }

    /// Ends a watch. The number belongs to other code and stays open.
    public func stopWatching() { _ = release() }

    /// Changes the events of a watch. Throws `TandemError` `systemCall`. Does nothing after `stopWatching`.
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

    /// Ends the descriptor because other code has closed its number. Must not close the number: it may belong to another file.
    func wasClosedElsewhere() { _ = release() }

    /// Whether a call or a handler waits for it.
    var isWaitedOn: Bool { !reading.isEmpty || !writing.isEmpty || readHandler != nil || writeHandler != nil }

    /// The number of written bytes that the peer's side has not acknowledged; nil if the kernel does not report it. The kernel
    /// reports a socket as writable only when a good part of its buffer is free, so this shows progress of a peer that takes
    /// little at a time.
    package var unacknowledged: Int? {
        let bytes = tandem_send_queue(fd)
        return bytes < 0 ? nil : Int(bytes)
    }

    // MARK: Without a task

    /// Calls `handler` once, on the hub's own stack, when there may be something to read or the descriptor is closed; at once if
    /// that is already so. So code that only waits for the next byte needs no task. The handler must not block, and may spawn.
    ///
    /// `wakeReader` calls the handler too. Replaces an earlier handler.
    public func whenReadable(_ handler: @escaping () -> Void) {
        hub.preconditionOnThread("Descriptor.whenReadable")
        readHandler = handler
        if isClosed || reading.isReady { tellReader() }
    }

    /// Calls `handler` once, on the hub's own stack, when there may be room to write or the descriptor is closed; at once if that
    /// is already so. The handler must not block, and may spawn. Replaces an earlier handler.
    package func whenWritable(_ handler: @escaping () -> Void) {
        hub.preconditionOnThread("Descriptor.whenWritable")
        writeHandler = handler
        if isClosed || writing.isReady { tellWriter() }
    }

    /// Calls the handler of `whenWritable`, if there is one.
    func tellWriter() {
        guard let handler = writeHandler else { return }
        writeHandler = nil
        handler()
    }

    /// Calls the handler of `whenReadable`, if there is one.
    func tellReader() {
        guard let handler = readHandler else { return }
        readHandler = nil
        handler()
    }

    // MARK: Events

    /// Handles the events that the poller has reported.
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
        // Set first: a handler that reads the last bytes must know that the end is still to be read.
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
