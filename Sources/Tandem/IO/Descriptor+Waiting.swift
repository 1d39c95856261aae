internal import CTandem
internal import Glibc

/// The state of one direction of a descriptor: its waiters, and whether the kernel may have something for them.
struct Readiness {
    /// Whether the kernel may have something. Events are edge-triggered, so this is true until a call finds nothing or a read
    /// falls short.
    var isReady = true
    /// The longest waiting call; `others` follow in order of arrival. Only a shared descriptor has `others`.
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
    /// Suspends until the descriptor is ready. May return although another caller has taken what was available, unless the
    /// descriptor is shared. Must be called on the hub's thread.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed` or `descriptorBusy`.
    public func wait(for direction: Direction, deadline: Deadline = .never) async throws {
        let deadline = deadline.onThisClock
        var wait = try begin(direction, deadline, isFirst: false)
        if wait == nil, hub.charge() { await hub.giveWay() }
        while let waiting = wait {
            await park(waiting)
            wait = try end(waiting, direction) ? nil : try begin(direction, deadline, isFirst: true)
        }
    }

    /// Parks the green thread until the descriptor is ready. Otherwise the same as the async form.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy`, `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func wait(
        for direction: Direction, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        let fiber = try currentFiber("Descriptor.wait", file, line)
        let deadline = deadline.onThisClock
        var wait = try begin(direction, deadline, isFirst: false)
        if wait == nil, hub.charge() { hub.giveWay() }
        while let waiting = wait {
            parkGreenThread(fiber, waiting)
            wait = try end(waiting, direction) ? nil : try begin(direction, deadline, isFirst: true)
        }
    }

    /// Suspends until the descriptor is ready or closed or, when waiting to read, until `wakeReader` is called. Cancelling the
    /// task does not end the wait: code that cancels the task must also call `wakeReader`. This makes the wait cheaper, and it
    /// never throws.
    ///
    /// - Precondition: No other caller waits for the same direction, and the descriptor is not shared.
    package func waitIgnoringCancellation(for direction: Direction) async {
        guard !isClosed else { return }
        guard !self[direction].isReady else {
            if hub.charge() { await hub.giveWay() }
            return
        }
        let wait = beginIgnoringCancellation(direction)
        await park(wait)
        endIgnoringCancellation(wait, direction)
    }

    @inline(never)  // frame
    private func beginIgnoringCancellation(_ direction: Direction) -> Wait {
        precondition(self[direction].isEmpty && !isShared, "another caller already waits for file descriptor \(fd)")
        let wait = beginWait(direction, .never)
        wait.pointee.ignores_cancellation = true
        self[direction].append(wait)
        return wait
    }

    @inline(never)  // frame
    private func endIgnoringCancellation(_ wait: Wait, _ direction: Direction) {
        self[direction].remove(wait)
        _ = hub.waits.finish(wait)
    }

    /// Makes a caller that waits to read continue and try again, whether or not something has arrived. Also calls the handler of
    /// `whenReadable`. Must be called on the hub's thread.
    public func wakeReader() {
        hub.preconditionOnThread("Descriptor.wakeReader")
        becameReady(to: .readable)
    }

    /// Begins to wait. Returns nil if the descriptor is ready and no earlier caller has yet to try.
    private func begin(_ direction: Direction, _ deadline: Deadline, isFirst: Bool) throws -> Wait? {
        hub.preconditionOnThread("Descriptor.wait")
        guard !isClosed else { throw TandemError(.closed, "this descriptor is closed") }
        let state = self[direction]
        if state.isReady, state.isEmpty || !isShared || isFirst { return nil }
        guard state.isEmpty || isShared else {
            throw TandemError(
                .descriptorBusy,
                """
                another caller already waits for file descriptor \(fd) to become \(direction): one reader and one writer at a \
                time, unless it is adopted with sharing: true
                """)
        }
        let wait = beginWait(direction, deadline)
        if isFirst { self[direction].putFirst(wait) } else { self[direction].append(wait) }
        return wait
    }

    private func beginWait(_ direction: Direction, _ deadline: Deadline) -> Wait {
        hub.waits.begin(deadline: deadline, for: direction == .readable ? "descriptor readable" : "descriptor writable", fd)
    }

    /// Ends a wait. Returns whether the caller may try. Returns false if another caller has taken what was available: then the
    /// caller waits again, first in line.
    private func end(_ wait: Wait, _ direction: Direction) throws -> Bool {
        self[direction].remove(wait)
        let reason = hub.waits.finish(wait)
        if isShared, !isClosed, self[direction].isReady, !isReadyNow(to: direction) { foundNothing(to: direction) }
        // There may be more than this caller takes, or it may take nothing: wake the next caller, which tries after this one.
        let isReady = self[direction].isReady
        if isReady, let next = self[direction].first { hub.waits.wake(next, TANDEM_WAKE_READY) }
        try reason.check()
        return isReady
    }

    /// Whether the kernel has something now, poll(2). A caller on a shared descriptor checks, because another may have taken what
    /// was available: if it returned and found nothing, it would lose its place.
    private func isReadyNow(to direction: Direction) -> Bool {
        var entry = pollfd(fd: fd, events: Int16(direction == .readable ? POLLIN : POLLOUT), revents: 0)
        return tandem_poll(&entry, 1, 0) != 0
    }

    /// Whether a call may try before it waits. On a shared descriptor it must not overtake the callers that wait.
    func mayTry(_ direction: Direction) -> Bool { !isShared || self[direction].isEmpty }

    /// Records that the kernel may have something, and wakes the first waiter and the handler.
    func becameReady(to direction: Direction) {
        self[direction].isReady = true
        if let first = self[direction].first { hub.waits.wake(first, TANDEM_WAKE_READY) }
        if direction == .readable { tellReader() } else { tellWriter() }
    }

    /// Records that a call has found nothing, or less than it asked for: the next event of the kernel reports more. Libraries
    /// that read and write by themselves must call this.
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
