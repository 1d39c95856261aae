import CEpoll
import Glibc

/// The embedder's event loop: one thread, epoll(7), and a callback per descriptor. It knows nothing of Tandem.
public final class EpollLoop {
    private let poller: CInt
    private var callbacks: [CInt: () -> Void] = [:]
    private var timers: Set<CInt> = []
    private var isRunning = false

    /// Creates a loop that does not run yet.
    public init() throws {
        poller = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard poller >= 0 else { throw LoopError(call: "epoll_create1", errno: errno) }
    }

    deinit {
        for timer in timers { close(timer) }
        close(poller)
    }

    /// Calls `callback` whenever a descriptor is readable.
    public func watch(_ descriptor: CInt, _ callback: @escaping () -> Void) throws {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: descriptor))
        guard epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw LoopError(call: "epoll_ctl", errno: errno) }
        callbacks[descriptor] = callback
    }

    /// Watches a descriptor no more.
    public func forget(_ descriptor: CInt) {
        guard callbacks.removeValue(forKey: descriptor) != nil else { return }
        epoll_ctl(poller, EPOLL_CTL_DEL, descriptor, nil)
    }

    /// Calls `callback` every so many milliseconds.
    public func every(milliseconds: Int, _ callback: @escaping () -> Void) throws {
        let timer = timerfd_create(CLOCK_MONOTONIC, CInt(TFD_CLOEXEC | TFD_NONBLOCK))
        guard timer >= 0 else { throw LoopError(call: "timerfd_create", errno: errno) }
        timers.insert(timer)
        let interval = timespec(tv_sec: milliseconds / 1_000, tv_nsec: milliseconds % 1_000 * 1_000_000)
        var times = itimerspec(it_interval: interval, it_value: interval)
        timerfd_settime(timer, 0, &times, nil)
        try watch(timer) {
            var expirations: UInt64 = 0
            if read(timer, &expirations, 8) == 8 { callback() }
        }
    }

    /// Runs until a callback calls `stop`.
    public func run() throws {
        var events = [epoll_event](repeating: epoll_event(), count: 16)
        isRunning = true
        while isRunning {
            let count = epoll_wait(poller, &events, CInt(events.count), -1)
            guard count >= 0 || errno == EINTR else { throw LoopError(call: "epoll_wait", errno: errno) }
            // A callback may make the loop forget a descriptor of this round.
            for event in events.prefix(Int(max(count, 0))) { callbacks[event.data.fd]?() }
        }
    }

    /// Ends `run` after the present round.
    public func stop() { isRunning = false }
}

/// A system call that failed.
public struct LoopError: Error {
    let call: String
    let errno: CInt
}
