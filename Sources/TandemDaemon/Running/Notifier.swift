internal import Glibc
internal import Tandem

/// A client of the service manager. It reports the state of the service as sd_notify(3) does, by datagrams to the socket that
/// `NOTIFY_SOCKET` names.
///
/// Without that variable it sends nothing. The service goes on if the manager does not take a message.
struct Notifier: Sendable {
    /// A message to the manager. Messages that are sent together form one datagram.
    enum Message: Sendable {
        /// The service listens, or a reload is over.
        case ready
        /// A reload begins.
        case reloading
        /// The service stops.
        case stopping
        /// A line for `systemctl status`.
        case status(String)
        /// The service is alive.
        case watchdog
        /// The current operation needs this much time.
        case extendTimeout(Duration)

        fileprivate var line: String {
            switch self {
            case .ready: "READY=1"
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Notifier.monotonicMicroseconds())"
            case .stopping: "STOPPING=1"
            case .status(let text): "STATUS=\(text.split(whereSeparator: \.isNewline).joined(separator: "; "))"
            case .watchdog: "WATCHDOG=1"
            case .extendTimeout(let duration): "EXTEND_TIMEOUT_USEC=\(Int64(duration / .microseconds(1)))"
            }
        }
    }

    /// The number of attempts, 10 ms apart, while the manager's queue is full.
    private static let tries = 100

    /// The address of the manager's socket; nil if its path is too long for a socket.
    private let manager: SocketAddress?
    /// The interval within which the manager expects a watchdog message; nil if it expects none.
    let watchdogInterval: Duration?

    /// Creates a notifier, or returns nil if there is no manager to notify.
    ///
    /// - Parameter environment: Returns the values of `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`. The watchdog's
    ///   interval is ignored if `WATCHDOG_PID` names another process.
    init?(environment: (String) -> String?) {
        guard let path = environment("NOTIFY_SOCKET"), path.utf8.count > 1, path.first == "/" || path.first == "@" else {
            return nil
        }
        manager = path.first == "@" ? SocketAddress(abstractName: path.utf8.dropFirst()) : SocketAddress(unixPath: path)
        let isForUs = environment("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        watchdogInterval = environment("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap {
            $0 > 0 && isForUs ? .microseconds($0) : nil
        }
    }

    /// Sends messages to the manager. Waits for up to a second while the manager's queue is full. Must be called on a hub.
    func send(_ messages: Message...) async {
        let text = messages.map(\.line).joined(separator: "\n")
        for _ in 0..<Self.tries {
            guard let error = send(text), [EAGAIN, ENOBUFS, EINTR].contains(error) else { return }
            guard (try? await sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    /// Sends one datagram. Returns nil, or the errno.
    private func send(_ text: String) -> CInt? {
        guard let manager else { return ENAMETOOLONG }
        // One socket per message, as in sd_notify, so that messages reach a manager that has restarted.
        let fd = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard fd >= 0 else { return errno }
        defer { close(fd) }
        let bytes = Array(text.utf8)
        let sent = manager.withSockaddr { sendto(fd, bytes, bytes.count, CInt(MSG_NOSIGNAL), $0, $1) }
        return sent < 0 ? errno : nil
    }

    private static func monotonicMicroseconds() -> Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
    }
}
