import CTandem
import Foundation
import Glibc
import Synchronization
import Tandem
import TandemPatch

/// The clients, by name. Each waits 200 ms in a different way.
let clients: [String: @Sendable () throws -> Void] = [
    "usleep": { usleep(200_000) },
    "sleep-thread": { Thread.sleep(forTimeInterval: 0.2) },
    "nanosleep": {
        var time = timespec(tv_sec: 0, tv_nsec: 200_000_000)
        var rest = timespec()
        try check(nanosleep(&time, &rest) == 0, "nanosleep")
    },
    "clock-nanosleep": {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        time.tv_nsec += 200_000_000
        if time.tv_nsec >= 1_000_000_000 { (time.tv_sec, time.tv_nsec) = (time.tv_sec + 1, time.tv_nsec - 1_000_000_000) }
        try check(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, nil) == 0, "clock_nanosleep")
    },
    "pipe": {
        try withPair(pipe) { reader, writer in
            later { try check(write(writer, "x", 1) == 1, "write") }
            var byte: UInt8 = 0
            try check(read(reader, &byte, 1) == 1 && byte == 0x78, "read")
            try check(fcntl(reader, F_GETFL) & O_NONBLOCK == 0, "the descriptor must stay blocking")
        }
    },
    "pipe-full": {
        try withPair(pipe) { reader, writer in
            let size = 1 << 20
            let reading = later {
                var left = size
                var buffer = [UInt8](repeating: 0, count: 65_536)
                while left > 0 {
                    let taken = read(reader, &buffer, buffer.count)
                    try check(taken > 0, "read")
                    left -= taken
                }
            }
            try check(write(writer, [UInt8](repeating: 1, count: size), size) == size, "a blocking write writes everything")
            try reading.wait()
        }
    },
    "socket": {
        try withPair(socketPair) { one, other in
            later {
                try check(send(other, "abc", 3, 0) == 3, "send")
                usleep(1_000)
                try check(send(other, "def", 3, 0) == 3, "send")
            }
            var text = [UInt8](repeating: 0, count: 6)
            try check(recv(one, &text, 6, CInt(MSG_WAITALL)) == 6 && text == Array("abcdef".utf8), "recv with MSG_WAITALL")
        }
    },
    "socket-limit": {
        try withPair(socketPair) { one, _ in
            var limit = timeval(tv_sec: 0, tv_usec: 200_000)
            setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var byte: UInt8 = 0
            try check(recv(one, &byte, 1, 0) == -1 && errno == EAGAIN, "recv gives up after SO_RCVTIMEO")
        }
    },
    "nonblocking": {
        try withPair(pipe) { reader, _ in
            try check(fcntl(reader, F_SETFL, O_NONBLOCK) == 0, "fcntl")
            var byte: UInt8 = 0
            try check(read(reader, &byte, 1) == -1 && errno == EAGAIN, "a descriptor that is non-blocking stays so")
            usleep(200_000)
        }
    },
    "always-ready": {
        // A loop over poll that never has to wait lets others run from time to time.
        try withPair(pipe) { reader, writer in
            let isOver = Atomic(false), turns = Atomic(0)
            let other = spawn {
                while !isOver.load(ordering: .relaxed) {
                    turns.add(1, ordering: .relaxed)
                    sched_yield()
                }
            }
            var byte: UInt8 = 0
            var entry = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            for _ in 0..<1_000 {
                try check(write(writer, &byte, 1) == 1 && poll(&entry, 1, -1) == 1 && read(reader, &byte, 1) == 1, "one byte")
            }
            isOver.store(true, ordering: .relaxed)
            try other.wait()
            let seen = turns.load(ordering: .relaxed)
            // Once per millisecond, at most, and this takes some ten.
            try check(seen >= 1, "another green thread ran \(seen) times")
        }
        usleep(200_000)
    },
    "poll": {
        try withPair(pipe) { reader, writer in
            later { try check(write(writer, "x", 1) == 1, "write") }
            // The same descriptor twice, and one that is ignored.
            var entries = [
                pollfd(fd: reader, events: Int16(POLLIN), revents: 0), pollfd(fd: -1, events: 0, revents: 0),
                pollfd(fd: reader, events: Int16(POLLIN), revents: 0),
            ]
            try check(poll(&entries, 3, 10_000) == 2 && entries[0].revents == POLLIN, "poll")
        }
    },
    "poll-limit": {
        try withPair(pipe) { reader, _ in
            var entry = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            try check(poll(&entry, 1, 200) == 0, "poll gives up")
        }
    },
    "select": {
        try withPair(pipe) { reader, writer in
            later { try check(write(writer, "x", 1) == 1, "write") }
            var set = fd_set()
            withUnsafeMutableBytes(of: &set) { $0[Int(reader) / 8] |= 1 << (UInt8(reader) % 8) }
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            try check(select(reader + 1, &set, nil, nil, &limit) == 1, "select")
            try check(limit.tv_sec == 9, "select leaves the rest of the time")
        }
    },
    "epoll": {
        try withPair(pipe) { reader, writer in
            let epoll = epoll_create1(0)
            defer { close(epoll) }
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data())
            try check(epoll_ctl(epoll, EPOLL_CTL_ADD, reader, &event) == 0, "epoll_ctl")
            later { try check(write(writer, "x", 1) == 1, "write") }
            try check(epoll_wait(epoll, &event, 1, 10_000) == 1, "epoll_wait")
        }
    },
    "connect": {
        let (listener, target) = try listenOnLoopback()
        defer { close(listener) }
        later {
            var target = target
            let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            try withAddress(&target) { try check(connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0, "connect") }
            try check(write(client, "hello", 5) == 5, "write")
            close(client)
        }
        let accepted = accept(listener, nil, nil)
        try check(accepted >= 0, "accept")
        defer { close(accepted) }
        var text = [UInt8](repeating: 0, count: 8)
        try check(read(accepted, &text, 8) == 5, "read")
        try check(read(accepted, &text, 8) == 0, "the end")
    },
    "shared": {
        // A Descriptor, poll and a blocking read wait for the same number, and each learns of what arrives.
        try withPair(socketPair) { one, other in
            let descriptor = try Descriptor(adopting: one)
            defer { _ = descriptor.relinquish() }
            nonisolated(unsafe) let shared = descriptor
            let waiting = spawn { try shared.wait(for: .readable) }
            // Fresh descriptors count as ready: the second wait is for the event.
            try waiting.wait()
            shared.foundNothing(to: .readable)
            let again = spawn { try shared.wait(for: .readable) }
            let polling = spawn {
                var entry = pollfd(fd: one, events: Int16(POLLIN), revents: 0)
                try check(poll(&entry, 1, 10_000) == 1, "poll")
            }
            let sending = later { try check(send(other, "x", 1, 0) == 1, "send") }
            try polling.wait()
            try again.wait()
            try sending.wait()
            var byte: UInt8 = 0
            try check(read(one, &byte, 1) == 1, "read")
        }
    },
    "original": {
        // The calls of libc itself hold the hub, so this client waits elsewhere.
        let before = TandemPatch.report().first { $0.function == "usleep" }?.calls ?? 0
        TandemPatch.original { _ = usleep(100) }
        let after = TandemPatch.report().first { $0.function == "usleep" }?.calls ?? 0
        try check(before == after, "usleep in original is not counted")
        usleep(200_000)
    },
    "fork": {
        // A child of a green thread blocks as any process does.
        let child = forkProcess()
        if child == 0 {
            usleep(200_000)
            _exit(TandemPatch.installed.isEmpty ? 0 : 1)
        }
        usleep(200_000)
        var status: CInt = 0
        while waitpid(child, &status, WNOHANG) == 0 { usleep(10_000) }
        try check(status == 0, "the child is not patched: \(status)")
    },
    "file": {
        // A regular file is always ready.
        var path = Array("/tmp/tandem-legacy-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        defer { close(file) }
        unlink(path)
        try check(write(file, [UInt8](repeating: 7, count: 10_000), 10_000) == 10_000, "write")
        lseek(file, 0, SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 10_000)
        try check(read(file, &bytes, bytes.count) == 10_000 && bytes.allSatisfy { $0 == 7 }, "read")
        try check(read(file, &bytes, 1) == 0, "the end")
        usleep(200_000)
    },
    "cancel": {
        // Waits are given up with ECANCELED, and a sleep ends once.
        try withPair(pipe) { reader, writer in
            let thread = spawn {
                var byte: UInt8 = 0
                let result = read(reader, &byte, 1)
                let error = errno
                let wasInterrupted = usleep(5_000_000) == -1
                let began = ContinuousClock.now
                usleep(10_000)
                usleep(10_000)
                return (result, error, wasInterrupted, ContinuousClock.now - began)
            }
            usleep(200_000)
            thread.cancel()
            let (result, error, wasInterrupted, slept) = try thread.wait()
            try check(result == -1 && error == ECANCELED, "read after a cancellation: \(result), \(error)")
            try check(wasInterrupted, "the first sleep after a cancellation ends at once")
            try check(slept >= .milliseconds(20), "later sleeps take their time: \(slept)")
            try check(write(writer, "x", 1) == 1, "write")
        }
    },
    "errno": {
        for _ in 0..<20 {
            let number = CInt.random(in: 1...100)
            errno = number
            usleep(10_000)
            try check(errno == number, "errno is kept")
        }
    },
]

/// Runs `body` with two descriptors, and closes them.
func withPair(_ make: (UnsafeMutablePointer<CInt>) -> CInt, _ body: (CInt, CInt) throws -> Void) throws {
    var pair: [CInt] = [-1, -1]
    try check(make(&pair) == 0, "descriptors")
    defer { pair.forEach { close($0) } }
    try body(pair[0], pair[1])
}

/// Makes two connected stream sockets, socketpair(2).
func socketPair(_ pair: UnsafeMutablePointer<CInt>) -> CInt { socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, pair) }

/// Returns a TCP listener on a free port of the loopback address, and its address.
func listenOnLoopback() throws -> (listener: CInt, address: sockaddr_in) {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    try withAddress(&address) { try check(bind(listener, $0, length) == 0, "bind") }
    try check(listen(listener, 64) == 0, "listen")
    try withAddress(&address) { try check(getsockname(listener, $0, &length) == 0, "getsockname") }
    return (listener, address)
}

func withAddress<Success>(
    _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) throws -> Success
) rethrows -> Success {
    try withUnsafeMutablePointer(to: &address) {
        try $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
}

/// Runs `body` on a green thread after 200 ms.
@discardableResult
func later(_ body: @escaping @Sendable () throws -> Void) -> GreenThread<Void> {
    spawn {
        usleep(200_000)
        do { try body() } catch {
            print("failed: \(error)")
            exit(1)
        }
    }
}

/// fork(2), which Swift's Glibc module hides, because few Swift programs can call it safely. The child of this program only sleeps.
private func forkProcess() -> pid_t {
    unsafeBitCast(dlsym(nil, "fork")!, to: (@convention(c) () -> pid_t).self)()
}
