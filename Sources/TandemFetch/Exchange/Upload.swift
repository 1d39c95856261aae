internal import Tandem

// @unchecked: used only on the hub's thread, where the producer's task runs too.
/// The streamed body of one request on the wire. The producer adds bytes, and the wire removes them.
final class Upload: @unchecked Sendable {
    /// The number of bytes that may wait to be sent before the producer has to wait. It is as large as the wire's buffer, so
    /// that the producer writes while the wire sends.
    static let capacity = 64 * 1024

    private enum State {
        case unasked, producing, complete
        /// The wire sends no more of the body.
        case closed
    }

    /// The parker on which the producer waits for its start, and then for room.
    let room = Parker(for: "room in an upload")
    private let length: Int?
    private let origin: String
    private var held: [UInt8] = []
    private var next = 0
    private var taken = 0
    private var state = State.unasked
    private var producer: Task<Void, any Error>?
    // The transfer to notify of new bytes and of the end.
    private unowned(unsafe) let transfer: Transfer

    /// Whether the producer has been started. If so, the body can be sent again only by another run of the producer.
    private(set) var hasBegun = false

    init(length: Int?, for transfer: Transfer) {
        self.length = length
        self.transfer = transfer
        origin = transfer.origin.text
    }

    /// Starts the producer's task, which waits until the wire asks for the body. Call it in the caller's task, because the
    /// producer inherits its task-locals.
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

    /// Takes a piece. Returns false, and takes nothing, if there is no room. Throws `FetchError` `closed` or `badRequest`.
    func take(_ piece: [UInt8]) throws(FetchError) -> Bool {
        guard state == .producing else {
            throw FetchError(.closed, "\(origin): the request is over, and its body is no longer sent")
        }
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

    /// Whether the wire may still send bytes of the body.
    var isOpen: Bool { state != .closed }

    // MARK: The wire's side

    enum Outcome {
        case bytes(Int), mustWait, end
        /// The rest is not needed: the bytes that were sent are not the whole body.
        case closed
    }

    /// Moves bytes into the wire's buffer. Starts the producer if it has not been started.
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

    // MARK: Ending

    /// Cancels the producer and drops its bytes. The wire sends no more of them.
    func close() {
        guard state != .closed else { return }
        state = .closed
        (held, next) = ([], 0)
        producer?.cancel()
    }

    /// Waits until the producer has unwound, even if the caller is cancelled. Call it only after `close`.
    func waitUntilUnwound() async { _ = await producer?.result }
}
