internal import CTandem
internal import Glibc

/// Who waits for one direction of a descriptor, and whether the kernel has something for them.
struct Readiness {
    /// Edge-triggered: until a call has found nothing, or fell short.
    var isReady = true
    /// First come, first served. Only a shared descriptor has `others`.
    private(set) var first: Wait?
    private var others: [Wait] = []

    var isEmpty: Bool { first == nil }

    mutating func append(_ wait: Wait) {
        if first == nil { first = wait } else { others.append(wait) }
    }

    mutating func putFirst(_ wait: Wait) {
        if let first { others.insert(first, at: 0) }
        first = wait
    }

    mutating func remove(_ wait: Wait) {
        if first != wait {
            others.removeAll { $0 == wait }
        } else {
            first = others.isEmpty ? nil : others.removeFirst()
        }
    }

    func forEach(_ body: (Wait) -> Void) {
        if let first { body(first) }
        others.forEach(body)
    }
}

extension Descriptor {
    /// Suspends until the kernel says the descriptor is ready. Throws `CancellationError`, or `TandemError` `timedOut`,
    /// `closed` or `descriptorBusy`.
    public func wait(for direction: Direction, deadline: Deadline = .never) async throws {
        var wait = try begin(direction, deadline, isFirst: false)
        if wait == nil, hub.charge() { await hub.giveWay() }
        while let waiting = wait {
            await park(waiting)
            wait = try end(waiting, direction) ? nil : try begin(direction, deadline, isFirst: true)
        }
    }

    /// Parks the green thread until the kernel says the descriptor is ready. Throws `CancellationError`, or `TandemError`
    /// `timedOut`, `closed`, `descriptorBusy` or `notOnGreenThread`.
    @available(*, noasync)
    public func wait(
        for direction: Direction, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        let fiber = try currentFiber("Descriptor.wait", file, line)
        var wait = try begin(direction, deadline, isFirst: false)
        if wait == nil, hub.charge() { hub.giveWay() }
        while let waiting = wait {
            parkGreenThread(fiber, waiting)
            wait = try end(waiting, direction) ? nil : try begin(direction, deadline, isFirst: true)
        }
    }

    /// Suspends until the kernel says the descriptor is ready, `wakeReader` is called (when waiting to read), or the descriptor
    /// is closed. Cancelling the task does not end the wait: whoever cancels it calls `wakeReader` too. So waiting costs less,
    /// and never throws.
    ///
    /// - Precondition: Nobody else waits for the same direction, and the descriptor is not shared.
    package func waitIgnoringCancellation(for direction: Direction) async {
        guard !isClosed else { return }
        guard !self[direction].isReady else {
            if hub.charge() { await hub.giveWay() }
            return
        }
        precondition(self[direction].isEmpty && !isShared, "somebody else already waits for file descriptor \(fd)")
        let wait = beginWait(direction, .never)
        wait.pointee.ignores_cancellation = true
        self[direction].append(wait)
        await park(wait)
        self[direction].remove(wait)
        _ = hub.finishWait(wait)
    }

    /// Lets a caller that waits to read go on and look for itself, whether or not something has arrived.
    public func wakeReader() {
        hub.preconditionOnThread("Descriptor.wakeReader")
        becameReady(to: .readable)
    }

    /// nil when it is ready already, and nobody who came earlier has yet to look.
    private func begin(_ direction: Direction, _ deadline: Deadline, isFirst: Bool) throws -> Wait? {
        hub.preconditionOnThread("Descriptor.wait")
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        let state = self[direction]
        if state.isReady, state.isEmpty || !isShared || isFirst { return nil }
        guard state.isEmpty || isShared else {
            throw TandemError(
                .descriptorBusy,
                """
                somebody else already waits for file descriptor \(fd) to become \(direction): one reader and one writer at a \
                time, unless it is adopted with sharing: true
                """)
        }
        let wait = beginWait(direction, deadline)
        if isFirst { self[direction].putFirst(wait) } else { self[direction].append(wait) }
        return wait
    }

    private func beginWait(_ direction: Direction, _ deadline: Deadline) -> Wait {
        hub.beginWait(deadline: deadline, for: direction == .readable ? "descriptor readable" : "descriptor writable", fd)
    }

    /// Whether it is this caller's turn. Not so when somebody took what there was before it could look; then it waits again,
    /// at the head of the line.
    private func end(_ wait: Wait, _ direction: Direction) throws -> Bool {
        self[direction].remove(wait)
        let reason = hub.finishWait(wait)
        if isShared, !isClosed, self[direction].isReady, !isReadyNow(to: direction) { foundNothing(to: direction) }
        // There may be more than this caller takes, or it may take nothing: the next one looks too, after it.
        let isReady = self[direction].isReady
        if isReady, let next = self[direction].first { hub.wake(next, TANDEM_WAKE_READY) }
        try reason.check()
        return isReady
    }

    /// What the kernel says. Who shares a descriptor asks, because another may have taken what there was: a caller that
    /// found nothing would have lost its place.
    private func isReadyNow(to direction: Direction) -> Bool {
        var entry = pollfd(fd: fd, events: Int16(direction == .readable ? POLLIN : POLLOUT), revents: 0)
        return tandem_poll(&entry, 1, 0) != 0
    }

    /// Whether a call may try before it waits: not past others who wait.
    func mayTry(_ direction: Direction) -> Bool { !isShared || self[direction].isEmpty }

    /// The kernel has something, as far as is known.
    func becameReady(to direction: Direction) {
        self[direction].isReady = true
        if let first = self[direction].first { hub.wake(first, TANDEM_WAKE_READY) }
        if direction == .readable { tellReader() } else { tellWriter() }
    }

    /// A call has found nothing, or less than it asked for: the next event of the kernel tells of more. For libraries that do
    /// the reading and writing themselves.
    package func foundNothing(to direction: Direction) {
        self[direction].isReady = false
        guard hub.registrations.needsRearming else { return }
        hub.registrations.poller.rearm(
            fd, direction == .readable ? EPOLLIN.rawValue | EPOLLRDHUP.rawValue : EPOLLOUT.rawValue)
    }

    private subscript(direction: Direction) -> Readiness {
        get { direction == .readable ? reading : writing }
        _modify {
            if direction == .readable { yield &reading } else { yield &writing }
        }
    }
}
