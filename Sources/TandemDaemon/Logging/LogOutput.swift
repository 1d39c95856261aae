internal import CTandem
internal import Glibc
internal import Synchronization

/// Where the log goes: a descriptor that is written to at once, and never waited for.
///
/// The log is small and its lines are wanted even when the process dies the moment after, so it has no buffer. A pipe that is
/// full takes no more: the line is dropped and counted, because a hub must not wait for who reads its log.
final class LogOutput: Sendable {
    private let fd: CInt
    private let lines = Mutex(Timestamp())
    private let dropped = Atomic<Int>(0)

    /// Output to `fd`, which stays open.
    init(_ fd: CInt) { self.fd = fd }

    /// Lines that could not be written.
    var droppedLines: Int { dropped.load(ordering: .relaxed) }

    /// Writes the line that `make` makes. Any thread.
    func write(_ make: (inout [UInt8], inout Timestamp) -> Void) {
        // One at a time, so that a line longer than the kernel writes at once stays whole.
        lines.withLock { stamp in
            var line: [UInt8] = []
            make(&line, &stamp)
            if !put(line) { dropped.wrappingAdd(1, ordering: .relaxed) }
        }
    }

    private func put(_ line: [UInt8]) -> Bool {
        var rest = line[...]
        while !rest.isEmpty {
            var room = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            guard poll(&room, 1, 0) > 0 else { return false }
            // A pipe that has room takes so much without waiting, pipe(7).
            let piece = rest.prefix(4_096)
            let count = piece.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
        }
        return true
    }
}
