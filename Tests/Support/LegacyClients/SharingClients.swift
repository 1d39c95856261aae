import CTandem
import Foundation
import Glibc
import LegacyCalls
import Synchronization
import Tandem

/// The clients that share something with async code, OS threads or other hubs, by name. Each waits at least 200 ms.
let sharingClients: [String: @Sendable () throws -> Void] = [
    "held-lock": {
        // Async code shares a lock that green threads never hold across a wait, only across calls that need not wait.
        let lock = NSLock()
        let isOver = Atomic(false)
        let other = spawn {
            while !isOver.load(ordering: .relaxed) {
                try awaiting { take(lock) }
                sched_yield()
            }
        }
        try withPair(pipe) { reader, writer in
            var byte: UInt8 = 0
            for _ in 0..<1_000 {
                lock.lock()
                var entry = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
                try check(write(writer, &byte, 1) == 1 && poll(&entry, 1, -1) == 1 && read(reader, &byte, 1) == 1, "one byte")
                lock.unlock()
            }
        }
        isOver.store(true, ordering: .relaxed)
        try other.wait()
        usleep(200_000)
    },
    "held-stream": {
        // Async code writes to a stream while a green thread waits to flush it.
        try withPair(pipe) { reader, writer in
            let stream = fdopen(dup(writer), "w")!
            for _ in 0..<3 { fputs(String(repeating: "a", count: 1_000), stream) }
            let filled = fill(writer)
            let flushing = spawn { [stream = SharedStream(stream)] in try check(fflush(stream.file) == 0, "fflush") }
            usleep(100_000)
            try awaiting { [stream = SharedStream(stream)] in put("bbb", stream) }
            usleep(100_000)
            var bytes = [UInt8](repeating: 0, count: filled + 3_003)
            try readAll(reader, &bytes, filled + 3_000)
            try flushing.wait()
            try check(fclose(stream) == 0, "fclose")
            try readAll(reader, &bytes, 3, at: filled + 3_000)
            try check(bytes[filled..<filled + 3_000].allSatisfy { $0 == 0x61 }, "what was flushed")
            try check(bytes.suffix(3).allSatisfy { $0 == 0x62 }, "what async code wrote: \(bytes.suffix(3))")
        }
    },
    "once-elsewhere": {
        // An OS thread runs the routine of pthread_once: waiting for it must not hold the hub.
        let isOver = Atomic(false), turns = Atomic(0)
        let ticking = spawn {
            while !isOver.load(ordering: .relaxed) {
                usleep(1_000)
                turns.add(1, ordering: .relaxed)
            }
        }
        let once = UnsafeMutablePointer<pthread_once_t>.allocate(capacity: 1)
        once.initialize(to: 0)
        let shared = Once(once: once)
        Thread { pthread_once(shared.once, legacy_slow_routine) }.start()
        while once.pointee == 0 { usleep(1_000) }
        pthread_once(once, legacy_slow_routine)
        isOver.store(true, ordering: .relaxed)
        try ticking.wait()
        try check(turns.load(ordering: .relaxed) > 5, "other green threads ran meanwhile")
    },
    "accept-hubs": {
        // Green threads of two hubs and one listener: a try of one hub must not look like the owner's O_NONBLOCK to the other.
        let (listener, target) = try listenOnLoopback()
        defer { close(listener) }
        let each = 8
        @Sendable func accepting() throws {
            for _ in 0..<each {
                let accepted = accept(listener, nil, nil)
                try check(accepted >= 0, "accept")
                close(accepted)
            }
        }
        let failure = Mutex<(any Error)?>(nil)
        let done = DispatchSemaphore(value: 0)
        Thread {
            do { try Hub.run { try await spawn { try accepting() }.wait() } } catch { failure.withLock { $0 = error } }
            done.signal()
        }.start()
        Thread {
            var address = target
            for _ in 0..<each * 2 {
                let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
                _ = withAddress(&address) { connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
                close(client)
            }
        }.start()
        try accepting()
        done.wait()
        if let error = failure.withLock({ $0 }) { throw error }
        try check(fcntl(listener, F_GETFL) & O_NONBLOCK == 0, "the listener stays blocking")
        usleep(200_000)
    },
]

private struct SharedStream: @unchecked Sendable {
    let file: UnsafeMutablePointer<FILE>
    init(_ file: UnsafeMutablePointer<FILE>) { self.file = file }
}

private struct Once: @unchecked Sendable {
    let once: UnsafeMutablePointer<pthread_once_t>
}

private func take(_ lock: NSLock) {
    lock.lock()
    lock.unlock()
}

private func put(_ text: String, _ stream: SharedStream) { fputs(text, stream.file) }

/// Fills a pipe. Returns how many bytes that took.
private func fill(_ writer: CInt) -> Int {
    let bytes = [UInt8](repeating: 0, count: 4_096)
    var total = 0
    _ = fcntl(writer, F_SETFL, O_NONBLOCK)
    while true {
        let put = write(writer, bytes, bytes.count)
        guard put > 0 else { break }
        total += put
    }
    _ = fcntl(writer, F_SETFL, 0)
    return total
}

private func readAll(_ fd: CInt, _ bytes: inout [UInt8], _ count: Int, at offset: Int = 0) throws {
    var done = 0
    while done < count {
        let taken = bytes.withUnsafeMutableBytes { read(fd, $0.baseAddress! + offset + done, count - done) }
        try check(taken > 0, "read")
        done += taken
    }
}
