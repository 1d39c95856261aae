internal import Glibc

/// The part of a hub that asks the kernel which descriptors are ready.
///
/// Events are the bits of epoll, which poll shares. Each registration has a token, which is returned with its events. A
/// registration with `EPOLLET` gets each event once, until it is re-armed or a new event occurs.
protocol Poller: AnyObject {
    /// The eventfd through which other threads wake the hub. The poller owns it.
    var wakeDescriptor: CInt { get }

    /// A descriptor that becomes readable when `wait` would find something; nil if the poller has none.
    var watchDescriptor: CInt? { get }

    /// Registers a number that is not registered. Throws `TandemError`: `invalidArgument` for files that are always ready,
    /// `systemCall` for an invalid number.
    func add(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError)

    /// Changes the events of a registered number.
    func modify(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError)

    /// Removes a registered number, which may already have been closed.
    func remove(_ fd: CInt)

    /// Makes the poller report these events again. Called when a call on the number has found nothing.
    func rearm(_ fd: CInt, _ events: UInt32)

    /// Whether the number still refers to the file that it was registered for. False if other code has closed it.
    func stillNames(_ fd: CInt, events: UInt32, token: UInt64) -> Bool

    /// Waits for events, at most for `nanoseconds` (negative: without limit).
    func wait(nanoseconds: Int64) -> PollerAnswer

    /// Returns an event of the last `wait`, even if its registration has been removed since.
    func event(_ index: Int) -> PollerEvent
}

/// The result of a `wait`.
struct PollerAnswer {
    /// The number of events.
    let count: Int
    /// Whether these are all events that there were when the wait ended. False if a signal cut it short or there was no room for
    /// more.
    let isComplete: Bool
}

/// The events of one registration.
struct PollerEvent {
    let token: UInt64
    let events: UInt32
}

/// The system call in which a hub waits.
public enum PollerKind: String, CaseIterable, Sendable {
    /// epoll(7). Its cost does not depend on the number of descriptors.
    case epoll
    /// poll(2). Its cost per turn grows with the number of registered descriptors. For comparison, and where epoll is not
    /// available.
    case poll

    /// The value of the environment variable `TANDEM_HUB_POLLER`; empty if it is not set.
    static let inEnvironment = getenv("TANDEM_HUB_POLLER").map { String(cString: $0) } ?? ""

    /// Throws `invalidArgument` for an unknown value, so that a misspelled name is not ignored.
    static func checkEnvironment() throws(TandemError) {
        guard !inEnvironment.isEmpty, PollerKind(rawValue: inEnvironment) == nil else { return }
        let known = allCases.map(\.rawValue).joined(separator: " or ")
        throw TandemError(
            .invalidArgument, "the environment variable TANDEM_HUB_POLLER is \(inEnvironment): set it to \(known), or unset it")
    }
}
