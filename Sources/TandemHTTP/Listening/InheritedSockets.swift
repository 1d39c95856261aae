internal import Glibc
internal import Synchronization
internal import Tandem

/// The sockets that the service manager passed to this process, as in sd_listen_fds(3): descriptors from 3 on, their count in
/// LISTEN_FDS, their names in LISTEN_FDNAMES, and the process that they are for in LISTEN_PID.
final class InheritedSockets: Sendable {
    /// The sockets of this process, looked up once. The look-up removes the variables and makes the descriptors close-on-exec, so
    /// that no child process takes them for its own.
    static let ofProcess = InheritedSockets()

    // The sockets in the order in which they were passed.
    private let sockets: Mutex<[(name: String, fd: CInt)]>

    private init() {
        var found: [(String, CInt)] = []
        if variable("LISTEN_PID").flatMap({ pid_t($0) }) == getpid(), let count = variable("LISTEN_FDS").flatMap({ CInt($0) }),
            (1...1_024).contains(count)
        {
            let names = variable("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
            for index in 0..<count {
                let fd = 3 + index
                _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
                found.append((Int(index) < names.count ? String(names[Int(index)]) : "unknown", fd))
            }
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        }
        sockets = Mutex(found)
    }

    /// Returns the sockets with this name, non-blocking and listening; the caller has to close them. Throws `TandemError`
    /// `cannotListen` if there is no such socket, or if one is not a listening stream socket.
    func take(_ name: String) throws(TandemError) -> [CInt] {
        let (mine, others) = sockets.withLock { sockets in
            let mine = sockets.filter { $0.name == name }.map(\.fd)
            let others = sockets.map(\.name).filter { $0 != name }
            return (mine, others)
        }
        guard !mine.isEmpty else {
            throw TandemError(
                .cannotListen,
                """
                cannot listen on systemd:\(name): no socket with that name was passed to this process. \
                \(others.isEmpty ? "No sockets were passed: did its socket unit start it?" : "Sockets passed: \(others.joined(separator: ", ")).") \
                The name is FileDescriptorName= of the socket unit, by default the name of the unit.
                """)
        }
        for fd in mine { try InheritedSockets.check(fd, name) }
        sockets.withLock { $0.removeAll { $0.name == name } }
        for fd in mine { _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) }
        return mine
    }

    private static func check(_ fd: CInt, _ name: String) throws(TandemError) {
        guard option(fd, SO_DOMAIN).map({ [AF_INET, AF_INET6, AF_UNIX].contains($0) }) == true,
            option(fd, SO_TYPE) == CInt(SOCK_STREAM.rawValue), option(fd, SO_ACCEPTCONN) == 1
        else {
            throw TandemError(
                .cannotListen,
                """
                cannot listen on systemd:\(name): file descriptor \(fd) is not a listening stream socket. The socket unit needs \
                ListenStream= and Accept=no.
                """)
        }
    }

    private static func option(_ fd: CInt, _ name: CInt) -> CInt? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}

private func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
