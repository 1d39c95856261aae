internal import Tandem

/// What a connection has to send and has not yet sent.
struct OutputBuffer {
    /// Bytes put in since it was last set to 0.
    var written = 0
    private var bytes: [UInt8] = []
    private var start = 0

    /// Bytes not sent yet.
    var count: Int { bytes.count - start }

    /// Puts in what `body` appends.
    mutating func write<Result, Failure: Error>(
        _ pool: BufferPool, _ body: (inout [UInt8]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if bytes.capacity == 0 { bytes = pool.lend() }
        let before = bytes.count
        defer { written += bytes.count - before }
        return try body(&bytes)
    }

    /// Sends what the transport takes; returns whether that was all.
    mutating func send(to transport: Transport, _ pool: BufferPool) throws(TandemError) -> Bool {
        while start < bytes.count {
            let put = try bytes.span.bytes.withUnsafeBytes { [start] bytes throws(TandemError) in
                try transport.writeAvailable(UnsafeRawBufferPointer(rebasing: bytes[start...]))
            }
            guard let put else { return false }
            start += put
        }
        release(to: pool)
        return true
    }

    mutating func release(to pool: BufferPool) {
        pool.takeBack(&bytes)
        start = 0
    }
}
