internal import CTandem
internal import Glibc

/// A file descriptor registered with a hub: both styles wait on it, one reader and one writer at a time.
///
/// Every call is made on the hub's thread. The descriptor owns the number: `close` closes it, wakes whoever waits, and
/// from then on every call throws `closed`, also when the kernel has given the number to somebody else.
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
    public var onPeerChange: ((PeerState) -> Void)?
    /// What is known of the peer.
    @exclusivity(unchecked) public private(set) var peer: PeerState = []

    // Open once the poller has it: an initializer that throws leaves nothing to close.
    @exclusivity(unchecked) private(set) var isClosed = true
    // Edge-triggered readiness: true until a call says EAGAIN or falls short.
    @exclusivity(unchecked) private var mayRead = true
    @exclusivity(unchecked) private var mayWrite = true
    // Until a send says otherwise.
    @exclusivity(unchecked) private var isSocket = true
    @exclusivity(unchecked) private var reader: Wait?
    @exclusivity(unchecked) private var writer: Wait?
    // A level-triggered watcher, for libraries that do their own reading and writing.
    private let watcher: ((WatchEvents) -> Void)?

    /// Takes over `fd`, which must be non-blocking, on the current hub. Throws `TandemError`: `invalidArgument` for a
    /// regular file, `descriptorBusy` for a number that is registered already, `systemCall` for a bad one.
    public init(adopting fd: CInt) throws(TandemError) {
        guard let hub = Hub.current else {
            throw TandemError(.hubStopped, "a Descriptor is made on a hub's thread; this is none")
        }
        self.hub = hub
        self.fd = fd
        watcher = nil
        try hub.poller.add(
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
        watcher = handler
        try hub.poller.add(self, fd: fd, events: Descriptor.epollEvents(events))
        isClosed = false
    }

    deinit {
        precondition(isClosed, "Descriptor \(fd) was dropped without close() or stopWatching()")
    }

    // MARK: Waiting

    /// Suspends until the kernel says the descriptor is ready. Throws `CancellationError`, or `TandemError` `timedOut`,
    /// `closed` or `descriptorBusy`.
    public func wait(for direction: Direction, deadline: Deadline = .never) async throws {
        guard let wait = try begin(direction, deadline) else { return }
        await park(wait)
        try end(wait, direction)
    }

    /// Parks the green thread until the kernel says the descriptor is ready. Throws `CancellationError`, or `TandemError`
    /// `timedOut`, `closed`, `descriptorBusy` or `notOnGreenThread`.
    @available(*, noasync)
    public func wait(
        for direction: Direction, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        let fiber = try currentFiber("Descriptor.wait", file, line)
        guard let wait = try begin(direction, deadline) else { return }
        parkGreenThread(fiber, wait)
        try end(wait, direction)
    }

    /// Lets a caller that waits to read go on and look for itself, whether or not something has arrived.
    public func wakeReader() {
        hub.preconditionOnThread("Descriptor.wakeReader")
        mayRead = true
        if let reader { hub.wake(reader, TANDEM_WAKE_READY) }
    }

    /// nil when it is ready already.
    private func begin(_ direction: Direction, _ deadline: Deadline) throws -> Wait? {
        hub.preconditionOnThread("Descriptor.wait")
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        if direction == .readable ? mayRead : mayWrite { return nil }
        guard (direction == .readable ? reader : writer) == nil else {
            throw TandemError(
                .descriptorBusy,
                "somebody else already waits for file descriptor \(fd) to become \(direction); one reader and one writer at a time"
            )
        }
        let wait = hub.beginWait(
            deadline: deadline, for: direction == .readable ? "descriptor readable" : "descriptor writable", fd)
        if direction == .readable { reader = wait } else { writer = wait }
        return wait
    }

    private func end(_ wait: Wait, _ direction: Direction) throws {
        if direction == .readable { reader = nil } else { writer = nil }
        try hub.finishWait(wait).check()
    }

    // MARK: Reading and writing

    /// Reads what is there, without waiting: nil when nothing is, 0 bytes at the end. Throws `systemCall` or `closed`.
    public func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard mayRead else { return nil }
        while true {
            let got = Glibc.read(fd, buffer.baseAddress, buffer.count)
            if got >= 0 {
                // Short: drained, and the next byte gives a new edge. Not so at the end of the stream, or once the
                // peer has changed: those edges have passed.
                if got > 0, got < buffer.count, peer.isEmpty { mayRead = false }
                return got
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                mayRead = false
                return nil
            case let error: throw .systemCall("read", error)
            }
        }
    }

    /// Writes what the kernel takes, without waiting: nil when it takes nothing. Throws `systemCall` or `closed`.
    public func writeAvailable(_ buffer: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        while true {
            // A peer that has gone is an error here, not a SIGPIPE that ends the process.
            let put =
                isSocket
                ? send(fd, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
                : Glibc.write(fd, buffer.baseAddress, buffer.count)
            if put >= 0 { return put }
            switch errno {
            case EINTR: continue
            case ENOTSOCK: isSocket = false
            case EAGAIN:
                mayWrite = false
                return nil
            case let error: throw .systemCall("write", error)
            }
        }
    }

    /// Accepts a connection that is there, without waiting: nil when none is. The new number is non-blocking and
    /// close-on-exec, and the caller's to close. Throws `systemCall` or `closed`.
    ///
    /// - Parameter address: Where the peer's `sockaddr` is put; room for a `sockaddr_storage`.
    public func acceptAvailable(
        address: UnsafeMutableRawBufferPointer
    ) throws(TandemError) -> (fd: CInt, addressLength: Int)? {
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        guard mayRead else { return nil }
        while true {
            var length = socklen_t(address.count)
            let accepted = tandem_accept(fd, address.baseAddress!, &length)
            if accepted >= 0 { return (accepted, Int(length)) }
            switch -accepted {
            // The peer has gone again; the next may be there.
            case EINTR, ECONNABORTED: continue
            case EAGAIN:
                mayRead = false
                return nil
            case let error: throw .systemCall("accept4", error)
            }
        }
    }

    /// Reads at least one byte, or returns 0 at the end of the stream.
    public func read(into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never) async throws -> Int {
        while true {
            if let got = try readAvailable(into: buffer) { return got }
            try await wait(for: .readable, deadline: deadline)
        }
    }

    /// Reads at least one byte, or returns 0 at the end of the stream; parks the green thread.
    @available(*, noasync)
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Int {
        _ = try currentFiber("Descriptor.read", file, line)
        while true {
            if let got = try readAvailable(into: buffer) { return got }
            try wait(for: .readable, deadline: deadline, file: file, line: line)
        }
    }

    /// Writes all of it.
    public func write(_ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never) async throws {
        var rest = buffer[...]
        while !rest.isEmpty {
            if let put = try writeAvailable(UnsafeRawBufferPointer(rebasing: rest)) {
                rest = rest.dropFirst(put)
            } else {
                try await wait(for: .writable, deadline: deadline)
            }
        }
    }

    /// Writes all of it; parks the green thread.
    @available(*, noasync)
    public func write(
        _ buffer: UnsafeRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        _ = try currentFiber("Descriptor.write", file, line)
        var rest = buffer[...]
        while !rest.isEmpty {
            if let put = try writeAvailable(UnsafeRawBufferPointer(rebasing: rest)) {
                rest = rest.dropFirst(put)
            } else {
                try wait(for: .writable, deadline: deadline, file: file, line: line)
            }
        }
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
        try hub.poller.modify(fd: fd, events: Descriptor.epollEvents(events))
    }

    private func release() -> Bool {
        hub.preconditionOnThread("Descriptor.close")
        guard !isClosed else { return false }
        isClosed = true
        onPeerChange = nil
        hub.poller.remove(fd: fd)
        if let reader { hub.wake(reader, TANDEM_WAKE_CLOSED) }
        if let writer { hub.wake(writer, TANDEM_WAKE_CLOSED) }
        return true
    }

    // MARK: Events

    /// Called by the poller.
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
        if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | ended) != 0 {
            mayRead = true
            if let reader { hub.wake(reader, TANDEM_WAKE_READY) }
        }
        if events & (EPOLLOUT.rawValue | ended) != 0 {
            mayWrite = true
            if let writer { hub.wake(writer, TANDEM_WAKE_READY) }
        }
        if !change.isSubset(of: peer) {
            peer.formUnion(change)
            onPeerChange?(peer)
        }
    }

    private static func epollEvents(_ events: WatchEvents) -> UInt32 {
        (events.contains(.readable) ? EPOLLIN.rawValue : 0) | (events.contains(.writable) ? EPOLLOUT.rawValue : 0)
    }
}
