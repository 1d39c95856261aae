internal import CTandem
internal import Glibc

/// The descriptors of a hub by number.
///
/// Events carry the number and its generation, so an event for a closed descriptor never reaches the next owner of the number.
final class Registrations {
    /// The token of numbers that belong to no descriptor: generation 0.
    static let nobody: UInt64 = 0

    let poller: any Poller
    /// Whether the poller must be told when a call has found nothing. epoll reports each new arrival without that.
    let needsRearming: Bool
    @exclusivity(unchecked) private var slots: UnsafeMutableBufferPointer<Slot>
    @exclusivity(unchecked) private var nextGeneration: UInt32 = 1
    @exclusivity(unchecked) private(set) var count = 0
    // The number at which the next audit begins.
    @exclusivity(unchecked) private var audited = 0

    private struct Slot {
        var generation: UInt32 = 0
        var events: UInt32 = 0
        var isRegistered = false
        var owner: Unmanaged<Descriptor>?
        /// The watches on this number, newest first.
        var watches: UnsafeMutablePointer<Watch>?

        /// The events to ask the kernel for.
        var asked: UInt32 {
            var (all, next) = (owner == nil ? EPOLLET.rawValue : events, watches)
            while let watch = next {
                all |= watch.pointee.events
                next = watch.pointee.next
            }
            return all
        }

        func token(_ fd: CInt) -> UInt64 { UInt64(generation) << 32 | UInt64(UInt32(fd)) }
    }

    /// A wait of code that does not know the hub, for a number that may also have a `Descriptor` or other watches.
    struct Watch {
        let fd: CInt
        let events: UInt32
        let wait: Wait
        fileprivate var next: UnsafeMutablePointer<Watch>?

        init(_ fd: CInt, _ events: UInt32, _ wait: Wait) {
            (self.fd, self.events, self.wait) = (fd, events, wait)
        }
    }

    init(_ kind: PollerKind) throws(TandemError) {
        needsRearming = kind == .poll
        switch kind {
        case .epoll: poller = try EpollPoller()
        case .poll: poller = try PollPoller()
        }
        slots = .allocate(capacity: 64)
        slots.initialize(repeating: Slot())
    }

    deinit { slots.deallocate() }

    /// Registers the descriptor for these events. The caller must keep it alive until `remove`.
    func add(_ descriptor: Descriptor, fd: CInt, events: UInt32) throws(TandemError) {
        let number = Int(fd)
        guard number >= 0 else { throw .systemCall("epoll_ctl", EBADF) }
        if number >= slots.count { grow(toHold: number) }
        if slots[number].owner != nil, !evictIfForgotten(fd) {
            throw TandemError(
                .descriptorBusy, "file descriptor \(fd) is registered already: use the Descriptor that exists, or close it first")
        }
        slots[number].owner = .passUnretained(descriptor)
        slots[number].events = events
        do throws(TandemError) {
            try register(fd)
        } catch {
            slots[number].owner = nil
            throw error
        }
    }

    /// Asks the poller for the events of a number, under its present registration or a new one.
    private func register(_ fd: CInt) throws(TandemError) {
        let number = Int(fd)
        if slots[number].isRegistered {
            do throws(TandemError) {
                return try poller.modify(fd, events: slots[number].asked, token: slots[number].token(fd))
            } catch {
                // Other code has closed the number, and the kernel has forgotten the registration.
                unregister(fd)
            }
        }
        slots[number].generation = nextGeneration
        nextGeneration = nextGeneration == .max ? 1 : nextGeneration + 1
        try poller.add(fd, events: slots[number].asked, token: slots[number].token(fd))
        slots[number].isRegistered = true
        count += 1
    }

    private func unregister(_ fd: CInt) {
        guard slots[Int(fd)].isRegistered else { return }
        slots[Int(fd)].isRegistered = false
        poller.remove(fd)
        count -= 1
    }

    func modify(fd: CInt, events: UInt32) throws(TandemError) {
        slots[Int(fd)].events = events
        try poller.modify(fd, events: slots[Int(fd)].asked, token: slots[Int(fd)].token(fd))
    }

    func remove(fd: CInt) {
        unregister(fd)
        slots[Int(fd)].owner = nil
        // The watchers try their calls again, on whatever the number refers to then.
        var next = slots[Int(fd)].watches
        while let watch = next {
            post(watch.pointee.wait, TANDEM_WAKE_READY)
            next = watch.pointee.next
        }
    }

    /// Passes an event to the descriptor that it belongs to, and to the watches of the number.
    func deliver(_ event: PollerEvent, on waits: Waits) {
        let number = Int(UInt32(truncatingIfNeeded: event.token))
        guard event.token != Registrations.nobody, number < slots.count,
            slots[number].generation == UInt32(event.token >> 32)
        else { return }
        if slots[number].watches != nil { deliver(event.events, toWatchesOf: number, on: waits) }
        guard let owner = slots[number].owner else { return }
        // Retained: the handlers that it calls may close it and release its last reference.
        let descriptor = owner.takeUnretainedValue()
        if event.events & UInt32(POLLNVAL) != 0 { descriptor.wasClosedElsewhere() } else { descriptor.handle(event.events) }
    }

    // MARK: Watches

    /// Begins a watch. It is edge-triggered, and reports what is there already. The caller keeps it in memory until `end`.
    ///
    /// - Throws: `TandemError`: `invalidArgument` for a file that is always ready, `systemCall` for an invalid number.
    func begin(_ watch: UnsafeMutablePointer<Watch>) throws(TandemError) {
        let (fd, number) = (watch.pointee.fd, Int(watch.pointee.fd))
        guard number >= 0 else { throw .systemCall("epoll_ctl", EBADF) }
        if number >= slots.count { grow(toHold: number) }
        watch.pointee.next = slots[number].watches
        slots[number].watches = watch
        do throws(TandemError) {
            try register(fd)
        } catch {
            slots[number].watches = watch.pointee.next
            throw error
        }
    }

    /// Ends a watch.
    func end(_ watch: UnsafeMutablePointer<Watch>) {
        let (fd, number) = (watch.pointee.fd, Int(watch.pointee.fd))
        if slots[number].watches == watch {
            slots[number].watches = watch.pointee.next
        } else {
            var before = slots[number].watches!
            while before.pointee.next != watch { before = before.pointee.next! }
            before.pointee.next = watch.pointee.next
        }
        if slots[number].owner != nil {
            // Fails if other code has closed the number, which an audit finds.
            try? poller.modify(fd, events: slots[number].asked, token: slots[number].token(fd))
        } else if slots[number].watches == nil {
            unregister(fd)
        }
    }

    private func deliver(_ events: UInt32, toWatchesOf number: Int, on waits: Waits) {
        let always = EPOLLERR.rawValue | EPOLLHUP.rawValue | UInt32(POLLNVAL)
        var next = slots[number].watches
        while let watch = next {
            next = watch.pointee.next
            if events & (watch.pointee.events | always) != 0 { waits.wake(watch.pointee.wait, TANDEM_WAKE_READY) }
        }
    }

    // MARK: Numbers closed by other code

    /// Checks up to `limit` waited-on registrations, starting where the last audit ended. Closes those whose number no longer
    /// refers to the same file, which wakes their waiters. Returns whether there were any.
    func audit(limit: Int) -> Bool {
        var (left, found) = (limit, false)
        for _ in 0..<slots.count where left > 0 {
            audited = audited + 1 < slots.count ? audited + 1 : 0
            guard let owner = slots[audited].owner, owner.takeUnretainedValue().isWaitedOn else { continue }
            left -= 1
            if evictIfForgotten(CInt(audited)) { found = true }
        }
        return found
    }

    /// Removes a registration whose number no longer refers to the same file. Returns whether it did.
    private func evictIfForgotten(_ fd: CInt) -> Bool {
        let slot = slots[Int(fd)]
        guard let owner = slot.owner, !poller.stillNames(fd, events: slot.asked, token: slot.token(fd)) else { return false }
        owner.takeUnretainedValue().wasClosedElsewhere()
        return true
    }

    private func grow(toHold number: Int) {
        let larger = UnsafeMutableBufferPointer<Slot>.allocate(capacity: max(slots.count * 2, number + 1))
        larger.initialize(repeating: Slot())
        for index in slots.indices { larger[index] = slots[index] }
        slots.deallocate()
        slots = larger
    }
}
