import CTandem
import Foundation
import Glibc
import LegacyCalls
import Tandem
import TandemPatch

/// The clients of less common calls of the kernel, by name. Each waits 200 ms.
let kernelClients: [String: @Sendable () throws -> Void] = [
    "fifo": {
        // open waits for the other end.
        let path = "/tmp/tandem-fifo-\(UUID().uuidString)"
        try check(mkfifo(path, 0o600) == 0, "mkfifo")
        defer { unlink(path) }
        let opening = later {
            let writer = open(path, O_WRONLY)
            try check(writer >= 0 && write(writer, "x", 1) == 1, "the other end")
            close(writer)
        }
        let reader = open(path, O_RDONLY)
        defer { close(reader) }
        var byte: UInt8 = 0
        try check(read(reader, &byte, 1) == 1 && byte == 0x78, "read")
        try opening.wait()
    },
    "sendfile": {
        var path = Array("/tmp/tandem-legacy-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        defer { close(file) }
        unlink(path)
        let size = 1 << 20
        try check(write(file, [UInt8](repeating: 5, count: size), size) == size, "write")
        try withPair({ socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, $0) }) { one, other in
            let reading = later { try readAll(other, size) }
            var offset = off_t(0)
            while offset < size { try check(sendfile(one, file, &offset, size - Int(offset)) > 0, "sendfile") }
            try check(fcntl(one, F_GETFL) & O_NONBLOCK == 0, "the socket stays blocking")
            try reading.wait()
        }
    },
    "message-queue": {
        let queue = msgget(IPC_PRIVATE, 0o600)
        defer { msgctl(queue, IPC_RMID, nil) }
        var message = Array("........".utf8) + Array("hello".utf8)
        message.withUnsafeMutableBytes { $0.storeBytes(of: 1, as: Int.self) }
        let sent = message
        later { try check(msgsnd(queue, sent, 5, 0) == 0, "msgsnd") }
        var taken = [UInt8](repeating: 0, count: 13)
        try check(msgrcv(queue, &taken, 5, 0, 0) == 5 && taken == message, "msgrcv")
    },
    "semaphore-set": {
        let set = semget(IPC_PRIVATE, 1, 0o600)
        defer { removeSet(set) }
        later {
            var raise = sembuf(sem_num: 0, sem_op: 1, sem_flg: 0)
            try check(semop(set, &raise, 1) == 0, "semop")
        }
        var lower = sembuf(sem_num: 0, sem_op: -1, sem_flg: 0)
        try check(semop(set, &lower, 1) == 0, "semop")
    },
    "signal": {
        // Each client has its own signal of this process.
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR2)
        var limit = timespec(tv_sec: 0, tv_nsec: 200_000_000)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        try check(sigtimedwait(&set, nil, &limit) == -1 && errno == EAGAIN, "sigtimedwait gives up")
        pthread_kill(pthread_self(), SIGUSR2)
        var taken: CInt = 0
        try check(sigwait(&set, &taken) == 0 && taken == SIGUSR2, "sigwait")
    },
    "waitid": {
        let child = try sleepingChild()
        var info = siginfo_t()
        try check(waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) == 0, "waitid")
        var usage = rusage()
        try check(wait4(child, nil, 0, &usage) == child, "wait4")
        try check(waitid(P_PID, id_t(child), &info, WEXITED) == -1 && errno == ECHILD, "the child is gone")
    },
    "wait": {
        // Whichever child ends first: each client has one.
        _ = try sleepingChild()
        var status: CInt = 1
        try check(wait(&status) > 0 && status == 0, "wait")
    },
    "users": {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 4_096)
        try check(getpwnam_r("root", &entry, &buffer, buffer.count, &found) == 0 && found?.pointee.pw_uid == 0, "getpwnam_r")
        try check(getpwuid(0) != nil && getgrgid(0) != nil, "getpwuid and getgrgid")
        usleep(200_000)
    },
    "files": {
        var path = Array("/tmp/tandem-legacy-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        defer { close(file) }
        unlink(path)
        try check(pwrite(file, "hello", 5, 10) == 5 && fdatasync(file) == 0, "pwrite and fdatasync")
        try check(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise")
        var text = [UInt8](repeating: 1, count: 15)
        try check(pread(file, &text, 15, 0) == 15 && text == [UInt8](repeating: 0, count: 10) + Array("hello".utf8), "pread")
        usleep(200_000)
    },
    "dropped-connection": {
        // A cancelled wait ends its connection: a pool must not give it to the next user in the middle of an exchange.
        let (client, server) = try connection()
        defer { [client, server].forEach { close($0) } }
        let asking = spawn {
            var entry = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
            return (poll(&entry, 1, 10_000), errno)
        }
        usleep(200_000)
        asking.cancel()
        let (result, error) = try asking.wait()
        try check(result == -1 && error == ECANCELED, "poll after a cancellation")
        _ = send(server, "late", 4, CInt(MSG_NOSIGNAL))
        var text = [UInt8](repeating: 0, count: 4)
        try check(recv(client, &text, 4, 0) <= 0, "the late answer must not arrive")
        try check(send(client, "next", 4, CInt(MSG_NOSIGNAL)) == -1 && errno == EPIPE, "nothing more is sent")
    },
]

/// The clients in C.
let cClients: [String: @Sendable () throws -> Void] = {
    var all: [String: @Sendable () throws -> Void] = [:]
    for var next in [legacy_calls()!, legacy_edges()!] {
        while let name = next.pointee.name, let run = next.pointee.run {
            all[String(cString: name)] = { if let fault = run() { throw Failure(message: String(cString: fault)) } }
            next += 1
        }
    }
    return all
}()

/// Returns both ends of a TCP connection.
private func connection() throws -> (CInt, CInt) {
    var (listener, address) = try listenOnLoopback()
    defer { close(listener) }
    let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    try withAddress(&address) { try check(connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0, "connect") }
    return (client, accept(listener, nil, nil))
}

private func readAll(_ fd: CInt, _ size: Int) throws {
    var left = size
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while left > 0 {
        let taken = read(fd, &buffer, buffer.count)
        try check(taken > 0, "read")
        left -= taken
    }
}

/// Returns a child process that ends after 200 ms.
private func sleepingChild() throws -> pid_t {
    var child: pid_t = 0
    let arguments = [strdup("sleep"), strdup("0.2"), nil]
    defer { arguments.forEach { free($0) } }
    try check(posix_spawn(&child, "/bin/sleep", nil, nil, arguments, nil) == 0, "posix_spawn")
    return child
}

/// semctl(2) with IPC_RMID, which Swift does not import because its last argument is variadic.
private func removeSet(_ set: CInt) {
    typealias Control = @convention(c) (CInt, CInt, CInt) -> CInt
    _ = unsafeBitCast(dlsym(nil, "semctl")!, to: Control.self)(set, 0, CInt(IPC_RMID))
}
