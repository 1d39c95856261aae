internal import CZlib

/// A decoder for bodies coded with gzip or deflate. It decodes as far as there is room for the output. Input without room for
/// its output stays coded, which takes as little as a thousandth of the memory.
///
/// libcurl's own decoder decodes everything that libcurl has read before a transfer can be paused, and can keep 64 MiB of it
/// for a body that is not read.
///
/// An inflater uses 50 KB of memory: zlib's window of 32 KiB and its state.
final class Inflater {
    /// A content coding (RFC 9110 section 8.4.1).
    enum Coding {
        /// gzip (RFC 1952), also with several members one after the other.
        case gzip
        /// deflate: the zlib format (RFC 1950), or bare deflate data (RFC 1951), which some servers send under this name.
        case deflate

        /// Creates a coding from its name. Returns nil for an unknown one.
        init?(_ name: String) {
            switch name {
            case "gzip", "x-gzip": self = .gzip
            case "deflate": self = .deflate
            default: return nil
            }
        }
    }

    /// The value of `Accept-Encoding`: the codings that the client decodes.
    static let accepted = "gzip, deflate"
    /// The maximum number of bytes to decode at once.
    static let pieceSize = 16 * 1024

    private let coding: Coding
    // At a fixed address, because zlib's state points back to it. It is set up when the first byte of input is known.
    private let stream: UnsafeMutablePointer<z_stream>
    private var input: [UInt8] = []
    private var position = 0
    private var outputMayWait = false
    /// Whether there has been any input.
    private(set) var hasBegun = false
    /// Whether the input so far is a complete coded body.
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

    /// Whether the input so far may have more output.
    var holdsMore: Bool { outputMayWait || position < input.count }

    /// Replaces the input by these coded bytes. Call it only if `holdsMore` is false.
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

    /// Decodes into `output` until it is full or the input is used up. Returns the number of decoded bytes, or nil if the input
    /// is malformed.
    func unfold(into output: UnsafeMutableRawBufferPointer) -> Int? {
        stream.pointee.next_out = output.baseAddress!.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = uInt(output.count)
        while holdsMore, stream.pointee.avail_out > 0 {
            // More input after the end must be another gzip member. Anything else is an error, and is not ignored.
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

    /// Drops the input that has not been decoded.
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
        // Z_BUF_ERROR without input left means only that there was nothing to do.
        return result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && position == input.count)
    }

    /// Sets zlib up. The first byte distinguishes the two forms of deflate: a zlib header (RFC 1950) has the method, 8, in its
    /// low four bits. Bare deflate data would begin with such a byte only for a stored block with non-zero padding, which
    /// encoders do not write.
    private func begin(_ first: UInt8) {
        let bits: CInt =
            switch coding {
            case .gzip: MAX_WBITS + 16
            case .deflate: first & 0x0f == 8 ? MAX_WBITS : -MAX_WBITS
            }
        // This fails only if there is no memory. `inflate` then returns an error, because the stream is not set up.
        inflateInit2_(stream, bits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
    }
}
