/// The part of a response's body that has arrived and has not been read, and how much has arrived altogether.
struct BodyBuffer {
    /// Bytes that a stream holds before its transfer is paused.
    static let streamCapacity = 256 * 1024

    private var bytes: [UInt8] = []
    private(set) var received = 0
    let limit: Int
    private let capacity: Int
    /// Whether what arrives is counted and dropped: the body of a redirect.
    var discards = false

    /// - Parameters:
    ///   - limit: Most bytes to receive altogether.
    ///   - capacity: Most bytes to hold.
    init(limit: Int, capacity: Int) {
        self.limit = limit
        self.capacity = capacity
    }

    enum Outcome { case taken, full, overLimit }

    var count: Int { bytes.count }

    /// Makes room for a body of which the server has said how long it is; a word that is not trusted with much memory.
    mutating func expect(_ length: Int) { bytes.reserveCapacity(min(length, limit, capacity, 1024 * 1024)) }

    /// Takes a piece, or nothing of it.
    mutating func take(_ piece: UnsafeRawBufferPointer) -> Outcome {
        guard piece.count <= limit - received else { return .overLimit }
        if !discards {
            // An empty buffer takes any piece: libcurl's are of 16 KiB.
            guard bytes.isEmpty || piece.count <= capacity - bytes.count else { return .full }
            bytes.append(contentsOf: piece)
        }
        received += piece.count
        return .taken
    }

    /// All that is held; nothing is held then.
    mutating func drain() -> [UInt8] {
        let drained = bytes
        bytes = []
        return drained
    }
}
