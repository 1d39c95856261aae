internal import CTandem
internal import Glibc
internal import Synchronization
internal import Tandem

/// A writer of lines from the hubs to a file descriptor. It uses a separate thread, so that a slow reader never stops a hub.
///
/// Each hub appends to its own buffer. The thread sleeps while all buffers are empty. Otherwise it writes the lines gathered
/// within `interval`, or as soon as one buffer holds `batch` bytes. When the reader is so slow that a buffer reaches `most`
/// bytes, further lines are dropped and counted, and the count is written in their place.
final class LineWriter: Sendable {
    /// The maximum time that a line waits in a buffer, in milliseconds.
    static let interval: CInt = 100
    /// The maximum time that `finish` waits for the reader, in milliseconds.
    static let patience: CInt = 2_000
    /// The number of bytes in one buffer that are written without waiting for `interval`.
    static let batch = 32 * 1_024
    /// The maximum number of bytes in a hub's buffer.
    static let most = 1 << 20

    private struct Buffer {
        var bytes: [UInt8] = []
        /// Replaces `bytes` when the thread takes them, so that the hub allocates nothing.
        var spare: [UInt8] = []
        var dropped = 0
        var stamp = Timestamp()
    }

    /// The buffer of one hub, shared by the hub and the thread.
    private final class Shard: Sendable {
        let buffer = Mutex(Buffer())

        var count: Int { buffer.withLock { $0.bytes.count } }

        func take(_ format: LogFormat) -> [UInt8] {
            buffer.withLock { buffer in
                var bytes: [UInt8] = []
                swap(&bytes, &buffer.bytes)
                swap(&buffer.bytes, &buffer.spare)
                if buffer.dropped > 0 {
                    bytes +=
                        format == .json
                        ? "{\"type\":\"dropped\",\"lines\":\(buffer.dropped)}\n".utf8
                        : "access log: \(buffer.dropped) lines dropped, the reader is too slow\n".utf8
                }
                buffer.dropped = 0
                return bytes
            }
        }

        /// Returns the memory of written lines for reuse, unless a slow reader let it grow.
        func reuse(_ bytes: consuming [UInt8]) {
            guard bytes.capacity <= 2 * LineWriter.batch else { return }
            bytes.removeAll(keepingCapacity: true)
            buffer.withLock { swap(&$0.spare, &bytes) }
        }
    }

    private let shards: [Shard]
    private let output: CInt
    private let format: LogFormat
    private let allDropped = Atomic<Int>(0)
    /// An eventfd that wakes the thread.
    private let bell: CInt
    /// An eventfd that the thread signals when it ends.
    private let farewell: CInt
    /// Whether the thread sleeps until it is woken. Otherwise it checks the buffers without being woken.
    private let isAsleep = Atomic<Bool>(false)
    private let isEnding = Atomic<Bool>(false)

    /// Creates a writer to `output` for this number of hubs. It does not close `output`.
    ///
    /// - Parameter format: The format of the writer's own lines, which report dropped lines.
    /// - Throws: `TandemError` if the kernel refuses an eventfd.
    init(to output: CInt, hubs: Int, format: LogFormat = .text) throws(TandemError) {
        shards = (0..<hubs).map { _ in Shard() }
        self.output = output
        self.format = format
        bell = tandem_eventfd()
        farewell = tandem_eventfd()
        try check("eventfd", -min(bell, farewell, 0))
    }

    deinit {
        close(bell)
        close(farewell)
    }

    /// Starts the thread, which runs until `finish`. Throws if the kernel refuses a thread.
    func start() throws(TandemError) {
        var started = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let failed = pthread_create(
            &started, nil,
            { context in
                tandem_name_thread("log")
                let writer = Unmanaged<LineWriter>.fromOpaque(context!).takeRetainedValue()
                writer.writeLoop()
                LineWriter.ring(writer.farewell)
                return nil
            }, context)
        if failed != 0 { Unmanaged<LineWriter>.fromOpaque(context).release() }
        try check("pthread_create", failed)
        pthread_detach(started)
    }

    /// The number of lines dropped since the start.
    var droppedLines: Int { allDropped.load(ordering: .relaxed) }

    /// Adds the line that `append` writes to the buffer of a hub. May be called from any thread, and never waits for the reader.
    func write(hub: Int, _ append: (inout [UInt8], inout Timestamp) -> Void) {
        let mustRing = shards[hub % shards.count].buffer.withLock { buffer in
            guard buffer.bytes.count < Self.most else {
                buffer.dropped += 1
                allDropped.wrappingAdd(1, ordering: .relaxed)
                return false
            }
            let before = buffer.bytes.count
            append(&buffer.bytes, &buffer.stamp)
            if before == 0 { return isAsleep.exchange(false, ordering: .sequentiallyConsistent) }
            return before < Self.batch && buffer.bytes.count >= Self.batch
        }
        if mustRing { Self.ring(bell) }
    }

    /// Flushes the remaining lines and ends the thread. Blocks the caller until then, at most for `patience`; lines that the
    /// reader has not taken by then are lost.
    func finish() {
        isEnding.store(true, ordering: .releasing)
        Self.ring(bell)
        Self.listen(farewell, milliseconds: Self.patience)
    }

    private static func ring(_ bell: CInt) {
        var one: UInt64 = 1
        _ = Glibc.write(bell, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits until the eventfd is signalled, for at most this time; without limit if it is negative.
    private static func listen(_ bell: CInt, milliseconds: CInt) {
        var wait = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, milliseconds) > 0 else { return }
        var count: UInt64 = 0
        _ = read(bell, &count, MemoryLayout<UInt64>.size)
    }

    private func writeLoop() {
        var isLast = false
        while !isLast {
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            // A line added after this point wakes the thread; a line added before is seen by the check below.
            if shards.allSatisfy({ $0.count == 0 }), !isEnding.load(ordering: .acquiring) { Self.listen(bell, milliseconds: -1) }
            isAsleep.store(false, ordering: .sequentiallyConsistent)
            if shards.allSatisfy({ $0.count < Self.batch }), !isEnding.load(ordering: .acquiring) {
                Self.listen(bell, milliseconds: Self.interval)
            }
            isLast = isEnding.load(ordering: .acquiring)
            for shard in shards {
                let bytes = shard.take(format)
                writeAll(bytes)
                shard.reuse(bytes)
            }
        }
    }

    /// Writes all bytes. Discards the rest if the reader is gone, because the server must go on serving.
    private func writeAll(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno == EAGAIN {
                // Another process that shares the descriptor has made it non-blocking.
                var wait = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }
}

/// Throws an error for a failed call, unless `error` is 0.
private func check(_ call: String, _ error: CInt) throws(TandemError) {
    guard error != 0 else { return }
    throw TandemError(.systemCall, "\(call): \(String(cString: strerror(error)))", errno: error)
}
