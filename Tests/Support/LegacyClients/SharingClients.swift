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
            for _ in 0..<2_000 {
                lock.lock()
                try check(write(writer, &byte, 1) == 1 && read(reader, &byte, 1) == 1, "write and read")
                lock.unlock()
            }
        }
        isOver.store(true, ordering: .relaxed)
        try other.wait()
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
