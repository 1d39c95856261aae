/// The buffers that one hub's connections borrow, so that an idle connection holds none.
final class BufferPool {
    /// The capacity in bytes of a buffer when it is lent. When the output reaches this size, the server sends it before it
    /// accepts more.
    static let bufferSize = 16 * 1024
    private static let most = 64

    @exclusivity(unchecked) private var buffers: [[UInt8]] = []
    /// Memory that any code on the hub may use until its next suspension. Received bytes arrive here first.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)

    /// Memory for an answer that is sent at once.
    let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: BufferPool.bufferSize, alignment: 16)

    deinit {
        scratch.deallocate()
        outgoing.deallocate()
    }

    /// Returns an empty buffer with a capacity of at least `bufferSize` bytes.
    func lend() -> [UInt8] {
        if let buffer = buffers.popLast() { return buffer }
        var buffer: [UInt8] = []
        buffer.reserveCapacity(BufferPool.bufferSize)
        return buffer
    }

    /// Takes a buffer back, and leaves an empty array without memory in its place. Frees the buffer if it has grown too large, is
    /// too small, or is not needed.
    func takeBack(_ buffer: inout [UInt8]) {
        guard buffer.capacity > 0 else { return }
        var returned: [UInt8] = []
        swap(&buffer, &returned)
        guard (BufferPool.bufferSize...BufferPool.bufferSize * 4).contains(returned.capacity), buffers.count < BufferPool.most
        else { return }
        returned.removeAll(keepingCapacity: true)
        buffers.append(returned)
    }
}
