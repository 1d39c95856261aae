/// The part of a response's body that has arrived and has not been read, and how much has arrived altogether. A coded body
/// is unfolded here, as far as there is room.
struct BodyBuffer {
    /// Bytes that a stream holds before its transfer is paused.
    static let streamCapacity = 256 * 1024

    private var bytes: [UInt8] = []
    private(set) var received = 0
    let limit: Int
    private let capacity: Int
    /// What unfolds a coded body; nil for one that comes as it is.
    var inflater: Inflater?
    private var discards = false

    /// - Parameters:
    ///   - limit: Most bytes to receive altogether, unfolded.
    ///   - capacity: Most bytes to hold.
    init(limit: Int, capacity: Int) {
        self.limit = limit
        self.capacity = capacity
    }

    enum Outcome { case taken, full, overLimit, malformed }

    var count: Int { bytes.count }

    /// How many bytes can be taken now, as they arrive; 0 when the reader has to come first.
    var room: Int {
        if let inflater { return inflater.holdsMore || bytes.count >= capacity ? 0 : Inflater.pieceSize }
        return discards ? .max : max(0, capacity - bytes.count)
    }

    /// Whether there may be more of what has arrived, for which there was no room.
    var holdsMore: Bool { inflater?.holdsMore ?? false }

    /// Whether a coded body, all of which has been taken and unfolded, ends before its end.
    var isCutOff: Bool { inflater.map { $0.hasBegun && !$0.isComplete && !$0.holdsMore } ?? false }

    /// Makes room for a body of which the server has said how long it is; a word that is not trusted with much memory.
    mutating func expect(_ length: Int) { bytes.reserveCapacity(min(length, limit, capacity, 1024 * 1024)) }

    /// Takes a piece as it arrives, or nothing of it.
    mutating func take(_ piece: UnsafeRawBufferPointer) -> Outcome {
        if let inflater {
            guard !inflater.holdsMore, bytes.count < capacity else { return .full }
            inflater.feed(piece)
            return unfold()
        }
        guard piece.count <= limit - received else { return .overLimit }
        if !discards {
            // A piece has at most `room` bytes in HTTP/1.1, and 16 KiB in HTTP/2: an empty buffer takes either.
            guard bytes.isEmpty || piece.count <= capacity - bytes.count else { return .full }
            bytes.append(contentsOf: piece)
        }
        received += piece.count
        return .taken
    }

    /// Unfolds more of what has arrived, as far as there is room.
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

    /// All that is held; nothing is held then.
    mutating func drain() -> [UInt8] {
        let drained = bytes
        bytes = []
        return drained
    }

    /// Counts and drops what is held and what arrives, as it comes: the body of a redirect.
    mutating func discard() {
        discards = true
        inflater = nil
        bytes = []
    }
}
