internal import Tandem

// @unchecked: used on the hub's thread alone; the producer's task runs there.
/// The body of one request on the wire: its producer puts bytes in, and the wire takes them out.
final class Upload: @unchecked Sendable {
    /// Bytes that wait to be sent before the producer is held back: as many as the wire takes at once, so that the producer
    /// writes while they are sent.
    static let capacity = 64 * 1024

    private enum State {
        case unasked, producing, complete
        /// The wire sends no more of it.
        case closed
    }

    /// Where the producer waits, for its start and then for room.
    let room = Parker(for: "room in an upload")
    private let length: Int?
    private let origin: String
    private var held: [UInt8] = []
    private var next = 0
    private var taken = 0
    private var state = State.unasked
    private var producer: Task<Void, any Error>?
    // Is told of new bytes, and of the end.
    private unowned(unsafe) let transfer: Transfer

    /// Whether the producer has been asked for the first bytes: from then on the body can be had again only by another run.
    private(set) var hasBegun = false

    init(length: Int?, for transfer: Transfer) {
        self.length = length
        self.transfer = transfer
        origin = transfer.origin.text
    }

    /// Starts the producer's task, which waits until the wire asks for the body. Called in the caller's task, whose task-locals
    /// the producer gets.
    func start(_ body: @escaping FetchBody.Producer, on hub: Hub) {
        producer = hub.spawn(name: "upload") { [self] in
            do {
                try await room.park()
                guard state == .producing else { return }
                try await body(FetchBodyWriter(self, on: hub))
                try end()
            } catch {
                fail(error)
            }
        }
    }

    // MARK: The producer's side

    /// Takes a piece, or nothing of it for lack of room. Throws `FetchError` `closed` or `badRequest`.
    func take(_ piece: [UInt8]) throws(FetchError) -> Bool {
        guard state == .producing else { throw FetchError(.closed, "\(origin): the request is over, its body is no longer sent") }
        guard !piece.isEmpty else { return true }
        let isEmpty = next == held.count
        guard isEmpty || held.count - next + piece.count <= Upload.capacity else { return false }
        if let length, piece.count > length - taken {
            throw FetchError(.badRequest, "\(origin): the request's body is longer than the \(length) bytes that were announced")
        }
        taken += piece.count
        if isEmpty {
            (held, next) = (piece, 0)
        } else {
            held.append(contentsOf: piece)
        }
        transfer.resumeSending()
        return true
    }

    private func end() throws(FetchError) {
        guard state == .producing else { return }
        if let length, taken < length {
            throw FetchError(.badRequest, "\(origin): the request's body ended after \(taken) of the \(length) bytes announced")
        }
        state = .complete
        transfer.resumeSending()
    }

    private func fail(_ error: any Error) {
        guard state == .producing || state == .unasked else { return }
        state = .closed
        transfer.abandon(error)
    }

    /// Whether somebody still wants the body.
    var isOpen: Bool { state != .closed }

    // MARK: The wire's side

    enum Outcome {
        case bytes(Int), mustWait, end
        /// Nobody wants the rest: what was sent is not all of it.
        case closed
    }

    /// Moves bytes into the wire's buffer. Asks the producer to begin if it has not.
    func move(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        let count = min(held.count - next, buffer.count)
        if count > 0 {
            held.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[next..<next + count])) }
            next += count
            if next == held.count { (held, next) = ([], 0) }
            room.unpark()
            return .bytes(count)
        }
        if state == .unasked {
            (state, hasBegun) = (.producing, true)
            room.unpark()
        }
        return switch state {
        case .unasked, .producing: .mustWait
        case .complete: .end
        case .closed: .closed
        }
    }

    // MARK: Its end

    /// Cancels the producer and drops its bytes: the wire sends no more of them.
    func close() {
        guard state != .closed else { return }
        state = .closed
        (held, next) = ([], 0)
        producer?.cancel()
    }

    /// Waits until the producer has unwound, even if the caller is cancelled. Only after `close`.
    func waitUntilUnwound() async { _ = await producer?.result }
}
