internal import CTandem
internal import Glibc
internal import Synchronization

/// Lines from the hubs to a file descriptor, by a thread of its own: a pipe that nobody empties must not stop a hub.
///
/// Each hub appends to a buffer of its own. The thread sleeps while all are empty, then writes what has gathered within
/// `interval`, or as soon as one buffer holds `batch` bytes. When the reader is so slow that a buffer reaches `most` bytes,
/// further lines are dropped and counted; the count is written in their place.
final class LineWriter: Sendable {
    /// Longest that a line waits.
    static let interval: CInt = 100
    /// Bytes that are not kept waiting.
    static let batch = 32 * 1_024
    /// Bytes that a hub's buffer holds at most.
    static let most = 1 << 20

    private struct Buffer {
        var bytes: [UInt8] = []
        var dropped = 0
    }

    /// One hub's buffer, shared by the hub and the thread.
    private final class Shard: Sendable {
        let buffer = Mutex(Buffer())

        var isFull: Bool { buffer.withLock { $0.bytes.count >= LineWriter.batch } }

        func take() -> [UInt8] {
            buffer.withLock { buffer in
                var bytes: [UInt8] = []
                swap(&bytes, &buffer.bytes)
                if buffer.dropped > 0 { bytes += "access log: \(buffer.dropped) lines dropped, the reader is too slow\n".utf8 }
                buffer.dropped = 0
                // As much again is likely to come.
                buffer.bytes.reserveCapacity(min(bytes.count, LineWriter.batch))
                return bytes
            }
        }
    }

    private let shards: [Shard]
    private let output: CInt
    private let bell: CInt
    private let isEnding = Atomic<Bool>(false)
    private let thread = Mutex<pthread_t?>(nil)

    /// A writer to `output`, which stays open, for this many hubs. Its thread runs until `finish`.
    init(to output: CInt, hubs: Int) {
        shards = (0..<hubs).map { _ in Shard() }
        self.output = output
        bell = tandem_eventfd()
        precondition(bell >= 0, "eventfd: errno \(-bell)")
    }

    deinit { close(bell) }

    /// Starts the thread.
    func start() {
        var started = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let failed = pthread_create(
            &started, nil,
            { context in
                tandem_name_thread("log")
                Unmanaged<LineWriter>.fromOpaque(context!).takeRetainedValue().writeLoop()
                return nil
            }, context)
        precondition(failed == 0, "pthread_create: errno \(failed)")
        thread.withLock { $0 = started }
    }

    /// Adds what `append` appends to the buffer of a hub. Any thread; never waits for the reader.
    func write(hub: Int, _ append: (inout [UInt8]) -> Void) {
        let mustRing = shards[hub % shards.count].buffer.withLock { buffer in
            guard buffer.bytes.count < Self.most else {
                buffer.dropped += 1
                return false
            }
            let before = buffer.bytes.count
            append(&buffer.bytes)
            return before == 0 || before < Self.batch && buffer.bytes.count >= Self.batch
        }
        if mustRing { ring() }
    }

    /// Writes what is left and ends the thread. Blocks the caller until then.
    func finish() {
        isEnding.store(true, ordering: .releasing)
        ring()
        if let thread = thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
    }

    private func ring() {
        var one: UInt64 = 1
        _ = Glibc.write(bell, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits for the bell, at most this long; for ever when negative.
    private func listen(milliseconds: CInt) {
        var wait = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, milliseconds) > 0 else { return }
        var count: UInt64 = 0
        _ = read(bell, &count, MemoryLayout<UInt64>.size)
    }

    private func writeLoop() {
        while true {
            let isLast = isEnding.load(ordering: .acquiring)
            if !isLast {
                listen(milliseconds: -1)
                if !isEnding.load(ordering: .acquiring), !shards.contains(where: \.isFull) {
                    listen(milliseconds: Self.interval)
                }
            }
            for shard in shards { writeAll(shard.take()) }
            if isLast { return }
        }
    }

    /// A reader that has gone is no reason to stop serving: what cannot be written is let go.
    private func writeAll(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno == EAGAIN {
                // Somebody who shares the descriptor has made it non-blocking.
                var wait = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }
}
