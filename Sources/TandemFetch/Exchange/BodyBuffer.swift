/// The part of a response's body that has arrived and has not been read, and a count of all bytes so far. It decodes a body
/// with a content coding, as far as there is room.
struct BodyBuffer {
    /// The number of bytes that a stream holds before its transfer pauses.
    static let streamCapacity = 256 * 1024

    private var bytes: [UInt8] = []
    private(set) var received = 0
    let limit: Int
    private let capacity: Int
    /// The decoder; nil for a body that is not decoded.
    var inflater: Inflater?
    private var discards = false

    /// Creates an empty buffer.
    ///
    /// - Parameters:
    ///   - limit: The maximum size of the whole body in bytes, after decoding.
    ///   - capacity: The maximum number of bytes to hold.
    init(limit: Int, capacity: Int) {
        self.limit = limit
        self.capacity = capacity
    }

    enum Outcome { case taken, full, overLimit, malformed }

    var count: Int { bytes.count }

    /// The number of received bytes that the buffer can take now; 0 if the caller has to read first.
    var room: Int {
        if let inflater { return inflater.holdsMore || bytes.count >= capacity ? 0 : Inflater.pieceSize }
        return discards ? .max : max(0, capacity - bytes.count)
    }

    /// Whether the decoder may hold received bytes for whose output there was no room.
    var holdsMore: Bool { inflater?.holdsMore ?? false }

    /// Whether a coded body is incomplete, although all received bytes have been decoded.
    var isCutOff: Bool { inflater.map { $0.hasBegun && !$0.isComplete && !$0.holdsMore } ?? false }

    /// Reserves memory for a body of the announced length, at most 1 MiB: an upstream can announce any length.
    mutating func expect(_ length: Int) { bytes.reserveCapacity(min(length, limit, capacity, 1024 * 1024)) }

    /// Takes a received piece as a whole, or nothing of it.
    mutating func take(_ piece: UnsafeRawBufferPointer) -> Outcome {
        if let inflater {
            guard !inflater.holdsMore, bytes.count < capacity else { return .full }
            inflater.feed(piece)
            return unfold()
        }
        guard piece.count <= limit - received else { return .overLimit }
        if !discards {
            // A piece has at most `room` bytes in HTTP/1.1, and 16 KiB in HTTP/2. An empty buffer takes any piece.
            guard bytes.isEmpty || piece.count <= capacity - bytes.count else { return .full }
            bytes.append(contentsOf: piece)
        }
        received += piece.count
        return .taken
    }

    /// Decodes more of the received bytes, as far as there is room.
    mutating func unfold() -> Outcome {
        guard let inflater else { return .taken }
        let outcome = unfold(with: inflater)
        if outcome != .taken { inflater.giveUp() }
        return outcome
    }

    private mutating func unfold(with inflater: Inflater) -> Outcome {
        withUnsafeTemporaryAllocation(byteCount: Inflater.pieceSize, alignment: 16) { piece in
            while inflater.holdsMore, bytes.count < capacity {
                let room = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, capacity - bytes.count)])
                guard let count = inflater.unfold(into: room) else { return .malformed }
                guard count <= limit - received else { return .overLimit }
                received += count
                bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<count]))
            }
            return .taken
        }
    }

    /// Removes and returns all bytes in the buffer.
    mutating func drain() -> [UInt8] {
        let drained = bytes
        bytes = []
        return drained
    }

    /// Drops the held bytes, and all later ones, without decoding. Later bytes still count toward the limit. For the body of a
    /// redirect.
    mutating func discard() {
        discards = true
        inflater = nil
        bytes = []
    }
}
