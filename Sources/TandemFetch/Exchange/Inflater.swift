internal import CZlib

/// Unfolds a body coded with gzip or deflate, as far as there is room for what comes out. What has gone in and found no room
/// stays coded: a thousandth of its size, at best.
///
/// libcurl would unfold all that it has read before it can be held back, and keep up to 64 MiB of it for a body that nobody
/// reads.
///
/// Holds 50 KB: zlib's window of 32 KiB and its state.
final class Inflater {
    /// A coding of a body, RFC 9110 section 8.4.1.
    enum Coding {
        /// RFC 1952; also several members one after the other.
        case gzip
        /// RFC 1950, or RFC 1951 bare: some servers mean that by the name.
        case deflate

        /// nil for one that is not known.
        init?(_ name: String) {
            switch name {
            case "gzip", "x-gzip": self = .gzip
            case "deflate": self = .deflate
            default: return nil
            }
        }
    }

    /// What is asked for and understood.
    static let accepted = "gzip, deflate"
    /// Most bytes to unfold at once.
    static let pieceSize = 16 * 1024

    private let coding: Coding
    // zlib's state points back to it: it must not move. Its first byte decides how it is set up.
    private let stream: UnsafeMutablePointer<z_stream>
    private var input: [UInt8] = []
    private var position = 0
    private var outputMayWait = false
    /// Whether anything has gone in.
    private(set) var hasBegun = false
    /// Whether what went in ended where a coded body may end.
    private(set) var isComplete = false

    init(_ coding: Coding) {
        self.coding = coding
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Whether there may be more to unfold of what has gone in.
    var holdsMore: Bool { outputMayWait || position < input.count }

    /// Adds coded bytes; only when it holds no more.
    func feed(_ piece: UnsafeRawBufferPointer) {
        guard let first = piece.first else { return }
        if !hasBegun {
            hasBegun = true
            begin(first)
        }
        input.removeAll(keepingCapacity: true)
        input.append(contentsOf: piece)
        position = 0
    }

    /// Unfolds into `output` until it is full or all that went in is used up. Returns how many bytes came out; nil when what
    /// went in is not what it says.
    func unfold(into output: UnsafeMutableRawBufferPointer) -> Int? {
        stream.pointee.next_out = output.baseAddress!.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = uInt(output.count)
        while holdsMore, stream.pointee.avail_out > 0 {
            // Another member; what is none is not ignored either.
            if isComplete {
                guard position < input.count else { break }
                guard coding == .gzip, inflateReset(stream) == Z_OK else { return nil }
                isComplete = false
            }
            guard step() else { return nil }
        }
        outputMayWait = !isComplete && stream.pointee.avail_out == 0
        return output.count - Int(stream.pointee.avail_out)
    }

    /// Forgets what has gone in and has not come out.
    func giveUp() {
        input = []
        position = 0
        outputMayWait = false
    }

    private func step() -> Bool {
        let result = input.withUnsafeMutableBytes { bytes in
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[position...])
            stream.pointee.next_in = rest.baseAddress?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_in = uInt(rest.count)
            return inflate(stream, Z_NO_FLUSH)
        }
        position = input.count - Int(stream.pointee.avail_in)
        outputMayWait = false
        isComplete = result == Z_STREAM_END
        // Nothing to do is no error: there was no more input.
        return result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && position == input.count)
    }

    /// A header of RFC 1950 begins with 8 in the low four bits, its method; a bare body with that byte would be a stored block
    /// whose padding is not zero, which nobody writes.
    private func begin(_ first: UInt8) {
        let bits: CInt =
            switch coding {
            case .gzip: MAX_WBITS + 16
            case .deflate: first & 0x0f == 8 ? MAX_WBITS : -MAX_WBITS
            }
        // Fails for lack of memory alone; then `inflate` says so, as it does of a stream that was not set up.
        inflateInit2_(stream, bits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
    }
}
