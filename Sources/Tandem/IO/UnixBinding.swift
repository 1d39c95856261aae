internal import Glibc
internal import Synchronization

/// Binding and listening on a unix socket, unix(7), for `UnixListener` and for servers with an accept loop of their own.
package enum UnixBinding {
    /// Returns a listening socket, non-blocking and close-on-exec, and its file. The caller has to close the socket and remove
    /// the file. Throws `TandemError` `cannotListen`: for a path that is empty or too long, and, with the errno, for a
    /// system call that fails; EADDRINUSE if another process listens there.
    package static func listen(
        on path: String, mode: UInt16, backlog: Int
    ) throws(TandemError) -> (CInt, UnixSocketFile) {
        guard let address = SocketAddress(unixPath: path) else {
            throw TandemError(
                .cannotListen,
                """
                cannot listen on unix:\(path): the path has \(path.utf8.count) bytes, but the path of a unix socket has 1 to \
                \(SocketAddress.longestPath): choose another one
                """)
        }
        let fd = address.makeStreamSocket()
        guard fd >= 0 else { throw failure("socket", path) }
        let lock = lockDirectory(of: path)
        defer { if lock >= 0 { Glibc.close(lock) } }
        var file: UnixSocketFile?
        do throws(TandemError) {
            // bind(2) gives these permissions to the file, less the umask, so the file never allows more than it should.
            guard fchmod(fd, mode_t(mode)) == 0 else { throw failure("fchmod", path) }
            if address.withSockaddr({ bind(fd, $0, $1) }) != 0 {
                guard errno == EADDRINUSE else { throw failure("bind", path) }
                try removeStale(path, address)
                guard address.withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw failure("bind", path) }
            }
            file = UnixSocketFile(path)
            guard chmod(path, mode_t(mode)) == 0 else { throw failure("chmod", path) }
            guard Glibc.listen(fd, CInt(clamping: backlog)) == 0 else { throw failure("listen", path) }
            guard let file else { throw failure("stat", path) }
            return (fd, file)
        } catch {
            file?.remove()
            Glibc.close(fd)
            throw error
        }
    }

    /// Returns a socket that listens on an abstract name, non-blocking and close-on-exec. The caller has to close it. Throws
    /// `TandemError` `cannotListen`, with the errno if a system call failed.
    static func listen(on address: UnixAddress, backlog: Int) throws(TandemError) -> CInt {
        let known = try address.socketAddress(or: .cannotListen)
        let fd = known.makeStreamSocket()
        guard fd >= 0 else { throw failure("socket", address) }
        guard known.withSockaddr({ bind(fd, $0, $1) }) == 0 else { throw closing(fd, failure("bind", address)) }
        guard Glibc.listen(fd, CInt(clamping: backlog)) == 0 else { throw closing(fd, failure("listen", address)) }
        return fd
    }

    /// Closes a socket and returns the error that was made before.
    private static func closing(_ fd: CInt, _ error: TandemError) -> TandemError {
        Glibc.close(fd)
        return error
    }

    /// Removes a socket file that a killed process left behind. Throws EADDRINUSE if a process listens on it, or it is not a
    /// socket.
    private static func removeStale(_ path: String, _ address: SocketAddress) throws(TandemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            // Another process has removed it.
            if errno == ENOENT { return }
            throw failure("stat", path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw failure(
                "bind", path, EADDRINUSE, "a file that is not a socket has that name: remove it, or choose another path")
        }
        let probe = address.makeStreamSocket()
        guard probe >= 0 else { throw failure("socket", path) }
        defer { Glibc.close(probe) }
        // A full backlog gives EAGAIN, which also means that a process listens there.
        guard address.withSockaddr({ connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED else {
            throw failure("bind", path, EADDRINUSE, "a process listens there already: stop it, or choose another path")
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink", path) }
    }

    /// Locks the directory of the path, so that of two servers that start at the same time neither takes the other's new file
    /// for a stale one. Returns a descriptor whose `close` releases the lock, or -1. After about 50 ms it gives up, and
    /// the caller continues without the lock.
    private static func lockDirectory(of path: String) -> CInt {
        let end = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let directory = path[..<end]
        let fd = Glibc.open(directory.isEmpty ? "." : String(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for _ in 0..<50 where fd >= 0 {
            if flock(fd, LOCK_EX | LOCK_NB) == 0 { break }
            usleep(1_000)
        }
        return fd
    }

    private static func failure(_ call: String, _ path: String, _ error: CInt = errno, _ more: String? = nil) -> TandemError {
        failure(call, .path(path), error, more)
    }

    private static func failure(
        _ call: String, _ address: UnixAddress, _ error: CInt = errno, _ more: String? = nil
    ) -> TandemError {
        TandemError(
            .cannotListen, "cannot listen on \(address): \(call): \(more ?? String(cString: strerror(error)))", errno: error)
    }
}

/// The file of a bound unix socket. The first hub that stops accepting removes it, if it is still the file that was bound.
package final class UnixSocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t
    private let isRemoved = Atomic(false)

    /// Returns nil when there is no file at `path`.
    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.path = path
        (device, inode) = (status.st_dev, status.st_ino)
    }

    /// Removes the file. Any thread. A second call does nothing.
    package func remove() {
        // Only once: another server's file may get the inode number of the removed file.
        guard !isRemoved.exchange(true, ordering: .relaxed) else { return }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(path)
    }
}
