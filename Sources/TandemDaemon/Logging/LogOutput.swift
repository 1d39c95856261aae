internal import CTandem
internal import Glibc
internal import Synchronization
internal import Tandem

/// The output of the log: writes each line to a descriptor at once, and never waits.
///
/// The log is small and its lines must survive a crash, so it has no buffer. When a pipe is full, the line is dropped and
/// counted, because a hub must not wait for the reader of its log.
final class LogOutput: Sendable {
    private let fd: CInt
    private let lines = Mutex(Timestamp())
    private let dropped = Atomic<Int>(0)

    /// Creates an output to `fd`. It does not close `fd`.
    init(_ fd: CInt) { self.fd = fd }

    /// The number of lines that could not be written.
    var droppedLines: Int { dropped.load(ordering: .relaxed) }

    /// Writes the line that `make` creates. May be called from any thread.
    func write(_ make: (inout [UInt8], inout Timestamp) -> Void) {
        // The hub's async code needs the lock, too: a green thread must not park while it holds the lock.
        ForeignWait.withoutParking {
            // One line at a time, so that a line that needs several writes stays whole.
            lines.withLock { stamp in
                var line: [UInt8] = []
                make(&line, &stamp)
                if !put(line) { dropped.wrappingAdd(1, ordering: .relaxed) }
            }
        }
    }

    private func put(_ line: [UInt8]) -> Bool {
        var rest = line[...]
        while !rest.isEmpty {
            var room = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            guard poll(&room, 1, 0) > 0 else { return false }
            // A pipe that is ready for writing takes 4,096 bytes without blocking, pipe(7).
            let piece = rest.prefix(4_096)
            let count = piece.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
        }
        return true
    }
}
