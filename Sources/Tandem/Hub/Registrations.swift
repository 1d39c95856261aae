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
        var owner: Unmanaged<Descriptor>?

        func token(_ fd: CInt) -> UInt64 { UInt64(generation) << 32 | UInt64(UInt32(fd)) }
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
        let slot = Slot(generation: nextGeneration, events: events, owner: .passUnretained(descriptor))
        nextGeneration = nextGeneration == .max ? 1 : nextGeneration + 1
        try poller.add(fd, events: events, token: slot.token(fd))
        slots[number] = slot
        count += 1
    }

    func modify(fd: CInt, events: UInt32) throws(TandemError) {
        slots[Int(fd)].events = events
        try poller.modify(fd, events: events, token: slots[Int(fd)].token(fd))
    }

    func remove(fd: CInt) {
        poller.remove(fd)
        slots[Int(fd)].owner = nil
        count -= 1
    }

    /// Passes an event to the descriptor that it belongs to.
    func deliver(_ event: PollerEvent) {
        let number = Int(UInt32(truncatingIfNeeded: event.token))
        guard event.token != Registrations.nobody, number < slots.count, let owner = slots[number].owner,
            slots[number].generation == UInt32(event.token >> 32)
        else { return }
        // Retained: the handlers that it calls may close it and release its last reference.
        let descriptor = owner.takeUnretainedValue()
        if event.events & UInt32(POLLNVAL) != 0 { descriptor.wasClosedElsewhere() } else { descriptor.handle(event.events) }
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
        guard let owner = slot.owner, !poller.stillNames(fd, events: slot.events, token: slot.token(fd)) else { return false }
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
