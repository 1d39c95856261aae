internal import Tandem

/// The buffers that one hub's connections borrow, so that an idle connection holds none.
final class BufferPool {
    /// Bytes of a buffer when it is lent.
    static let bufferSize = 16 * 1024
    private static let most = 64

    @exclusivity(unchecked) private var buffers: [[UInt8]] = []
    private let scratchBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)

    deinit { scratchBytes.deallocate() }

    /// An empty buffer with room.
    func lend() -> [UInt8] {
        if let buffer = buffers.popLast() { return buffer }
        var buffer: [UInt8] = []
        buffer.reserveCapacity(BufferPool.bufferSize)
        return buffer
    }

    /// Takes a buffer back, and leaves one that holds nothing. A buffer that has grown large is let go.
    func takeBack(_ buffer: inout [UInt8]) {
        guard buffer.capacity > 0 else { return }
        var returned: [UInt8] = []
        swap(&buffer, &returned)
        guard returned.capacity <= BufferPool.bufferSize * 4, buffers.count < BufferPool.most else { return }
        returned.removeAll(keepingCapacity: true)
        buffers.append(returned)
    }

    /// Bytes that are anybody's until the next suspension.
    func scratch<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(scratchBytes)
    }

    /// Reads what has arrived to the end of `buffer`, which is lent when there is none: nil when nothing has, 0 at the end
    /// of the stream.
    func receive(from transport: Transport, into buffer: inout [UInt8]) throws(TandemError) -> Int? {
        let got = try transport.readAvailable(into: scratchBytes)
        if let got, got > 0 {
            if buffer.capacity == 0 { buffer = lend() }
            buffer.append(contentsOf: scratchBytes[..<got])
        }
        return got
    }
}
