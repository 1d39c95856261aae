internal import Glibc

/// What asks the kernel which descriptors are ready: a hub's back end.
///
/// Events are epoll's bits, which are poll's too. Each registration carries a token that comes back with its events.
/// With `EPOLLET` among its events a registration is told of each event once, until it is re-armed or a new one comes.
protocol Poller: AnyObject {
    /// Where other threads wake the hub: an eventfd that it owns.
    var wakeDescriptor: CInt { get }

    /// What becomes readable when `wait` would find something, where there is such a thing.
    var watchDescriptor: CInt? { get }

    /// Registers a number that is not registered. Throws `TandemError`: `invalidArgument` for what is always ready,
    /// `systemCall` for a bad number.
    func add(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError)

    /// Changes what a registered number is watched for.
    func modify(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError)

    /// Forgets a registered number, which may have been closed already.
    func remove(_ fd: CInt)

    /// A call on the number has found nothing: these events are news again.
    func rearm(_ fd: CInt, _ events: UInt32)

    /// Whether the number still names the file it was registered for. It does not when somebody closed it behind our back.
    func stillNames(_ fd: CInt, events: UInt32, token: UInt64) -> Bool

    /// Asks, for at most this long (negative: for ever).
    func wait(nanoseconds: Int64) -> PollerAnswer

    /// One of those that the last `wait` found, whatever was registered and forgotten since.
    func event(_ index: Int) -> PollerEvent
}

/// What a `wait` has found.
struct PollerAnswer {
    /// How many events there are.
    let count: Int
    /// Whether these are all there were when the wait ended: not so when a signal cut it short, or there was no room for more.
    let isComplete: Bool
}

/// What the kernel has told of one registration.
struct PollerEvent {
    let token: UInt64
    let events: UInt32
}

/// Which system call a hub waits in.
public enum PollerKind: String, CaseIterable, Sendable {
    /// epoll(7): costs the same however many descriptors there are.
    case epoll
    /// poll(2): costs time for each registered descriptor at each turn. For comparison, and where epoll is not to be had.
    case poll

    /// What the environment asks for; empty for nothing.
    static let inEnvironment = getenv("TANDEM_HUB_POLLER").map { String(cString: $0) } ?? ""

    /// Nobody should believe that a misspelled poller is in use.
    static func checkEnvironment() throws(TandemError) {
        guard !inEnvironment.isEmpty, PollerKind(rawValue: inEnvironment) == nil else { return }
        let known = allCases.map(\.rawValue).joined(separator: " or ")
        throw TandemError(
            .invalidArgument, "the environment variable TANDEM_HUB_POLLER is \(inEnvironment): set it to \(known), or not at all")
    }
}
