internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The reader of one request's body: framing, limit, timeout, and 100 Continue. It also drops the part of the body that the
/// handler leaves unread. Used only on its hub.
final class BodyReader: BodySource {
    private let wire: Wire
    private let hub: Hub
    private let settings: ConnectionSettings
    private let contentLength: Int?
    @exclusivity(unchecked) private var decoder: BodyDecoder
    /// Bytes read so far, without the framing of chunks.
    @exclusivity(unchecked) private(set) var received = 0
    /// Whether the client waits for 100 Continue before it sends the body.
    @exclusivity(unchecked) private var owesContinue: Bool

    /// Creates a reader of the body that follows `head` on the wire.
    init(_ head: RequestHead, _ wire: Wire, _ context: ServingContext) {
        self.wire = wire
        hub = context.hub
        settings = context.settings
        contentLength = head.contentLength
        decoder = BodyDecoder(framing: head.framing, limits: settings.wireLimits)
        owesContinue = head.expectsContinue
    }

    /// Whether the whole body has been read.
    var isComplete: Bool { decoder.isComplete }

    // MARK: Reading

    func nextPiece() throws -> BodyPiece {
        if isComplete { return .end }
        if owesContinue {
            askForBody()
            return .needsFlush
        }
        if hub.mustGiveWay { return .givesWay }
        do {
            let piece = try takeArrived()
            if case .bytes(let bytes) = piece { hub.charge(bytes: bytes.count) }
            return piece
        } catch {
            wire.mustClose = true
            // A client's reset cancels its request, and `CancellationError` tells the handler more than ECONNRESET.
            throw Task.isCancelled ? CancellationError() : error
        }
    }

    func waitForPiece(_ reason: BodyPiece) async throws { try await waitForPiece(reason, until: .never) }

    private func waitForPiece(_ reason: BodyPiece, until end: Deadline) async throws {
        switch reason {
        case .needsFlush: try await wire.flush(timeout: settings.writeTimeout)
        case .givesWay: await hub.giveWay()
        default:
            do {
                try await wire.descriptor.wait(for: wire.readDirection, deadline: min(.after(settings.bodyTimeout), end))
            } catch { throw failure(error) }
        }
    }

    @available(*, noasync)
    func waitForPiece(_ reason: BodyPiece, file: StaticString, line: UInt) throws {
        switch reason {
        case .needsFlush: try wire.flush(timeout: settings.writeTimeout, file: file, line: line)
        case .givesWay: hub.giveWay()
        default:
            do {
                try wire.descriptor.wait(
                    for: wire.readDirection, deadline: .after(settings.bodyTimeout), file: file, line: line)
            } catch { throw failure(error) }
        }
    }

    /// Takes the next piece that has arrived. Throws `HTTPError` (400, 413), or `TandemError` when the transport fails.
    private func takeArrived() throws -> BodyPiece {
        let arrival: Wire.Arrival<[UInt8]?>
        do {
            arrival = try wire.nextPiece(&decoder)
        } catch let error as HTTPParseError {
            throw HTTPError(.init(code: error.status), error.reason)
        }
        switch arrival {
        case .value(let piece?):
            received += piece.count
            let limit = settings.maxBodyBytes
            guard received <= limit else {
                throw HTTPError(.contentTooLarge, "the body is longer than the \(limit) bytes that this server takes")
            }
            return .bytes(piece)
        case .value(nil): return .end
        case .nothing: return .needsMore
        case .end: throw HTTPError(.badRequest, "the client ended the connection in the middle of the body")
        }
    }

    /// Returns the error to throw when a wait failed.
    private func failure(_ error: any Error) -> any Error {
        guard let error = error as? TandemError, error.code == .timedOut else { return error }
        wire.mustClose = true
        return HTTPError(.requestTimeout, "the body made no progress for \(settings.bodyTimeout)")
    }

    // MARK: 100 Continue

    /// Puts the message that tells the client to send the body into the output.
    private func askForBody() {
        owesContinue = false
        wire.append(ResponseSerializer.continueResponse)
    }

    /// Prepares for the head of an answer with this status. If the client still waits for 100 Continue, a successful status tells
    /// it to send the body, because a stream may still read it. With any other status the connection has to close.
    func answerBegins(_ status: HTTPResponse.Status) {
        guard owesContinue else { return }
        if status.kind == .successful {
            askForBody()
        } else {
            owesContinue = false
            wire.mustClose = true
        }
    }

    // MARK: Unread bodies

    /// Decides whether the connection can be kept although the handler left a part of the body unread. It is kept if the
    /// announced rest is short, or if the whole rest has arrived already; otherwise it has to close. Does not wait.
    func settleUnread() {
        guard !isComplete else { return }
        if owesContinue {
            wire.mustClose = true
        } else if let contentLength {
            if contentLength - received > settings.drainLimit { wire.mustClose = true }
        } else if !dropArrived() {
            wire.mustClose = true
        }
    }

    /// Drops the part of the body that has arrived, up to about `drainLimit` bytes. Returns whether that completes the body.
    private func dropArrived() -> Bool {
        let end = received + settings.drainLimit
        while received <= end {
            switch try? takeArrived() {
            case .bytes: continue
            case .end: return true
            default: return false
            }
        }
        return false
    }

    /// Reads and drops the rest of the body, which the handler left unread. If the rest is too long or does not arrive within
    /// `lingerTimeout`, the connection has to close.
    func dropUnread() async throws {
        guard !wire.mustClose, !isComplete else { return }
        let end = Deadline.after(settings.lingerTimeout)
        var dropped = 0
        // The server may begin to drain meanwhile, and close the connection.
        while !wire.mustClose {
            switch try nextPiece() {
            case .bytes(let piece):
                dropped += piece.count
                guard dropped <= settings.drainLimit else { return wire.mustClose = true }
            case .end: return
            case let reason: try await waitForPiece(reason, until: end)
            }
        }
    }
}
