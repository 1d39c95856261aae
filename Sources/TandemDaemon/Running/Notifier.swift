internal import Glibc
internal import Tandem

/// Tells the service manager how the service is, as sd_notify(3) does: datagrams to the socket that `NOTIFY_SOCKET` names.
///
/// Without that variable nothing is told. A manager that does not take what it is told is no reason to stop serving.
struct Notifier: Sendable {
    /// What can be told; several together are one datagram.
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
        /// What is being done takes as long as this.
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

    /// How often it is tried again, 10 ms apart, when the manager has no room for more.
    private static let tries = 100

    /// nil when the path is too long for a socket.
    private let manager: SocketAddress?
    /// How often the manager wants to hear that the service is alive; nil when it does not.
    let watchdogInterval: Duration?

    /// nil when nobody wants to be told. `environment` has `NOTIFY_SOCKET`, and `WATCHDOG_USEC` and `WATCHDOG_PID`, which is
    /// about this process or does not count.
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

    /// Tells the manager. Waits a little when it has no room; on a hub.
    func send(_ messages: Message...) async {
        let text = messages.map(\.line).joined(separator: "\n")
        for _ in 0..<Self.tries {
            guard let error = send(text), [EAGAIN, ENOBUFS, EINTR].contains(error) else { return }
            guard (try? await sleep(for: .milliseconds(10))) != nil else { return }
        }
    }

    /// Returns the errno when it could not.
    private func send(_ text: String) -> CInt? {
        guard let manager else { return ENAMETOOLONG }
        // As sd_notify does: one socket per message, so that a manager that has been started anew is reached too.
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
