internal import HTTPTypes
internal import HTTPWire

/// The state of receiving a response on a connection: heads, framing and body by RFC 9112.
struct ReceivedAnswer {
    private enum Phase { case head, body, over }

    /// The limits for everything that an upstream sends, except the body. They allow larger heads than most servers accept,
    /// because cookies and content security policies are long. HTTPWire supports heads of at most 65,535 bytes.
    static let limits = HTTPWireLimits(requestLine: 8192, fieldLine: 65_535, fieldCount: 512, headBytes: 65_535)
    /// The maximum number of interim responses (1xx) before the final one.
    private static let mostInterims = 32

    private var phase = Phase.head
    private var parser = ResponseHeadParser(limits: limits)
    private var decoder = BodyDecoder(framing: ResponseBodyFraming.none, limits: limits)
    private var framing = ResponseBodyFraming.none
    private var isHead = false
    private var keepsAlive = false
    private var interims = 0
    private var isFirst = true
    // Received bytes that have not been used: a part of a head, or bytes for which the reader has no room.
    private var input: [UInt8] = []
    /// Whether there are unused bytes that need no further ones to be used.
    private(set) var holdsBytes = false

    /// Prepares for the response to the next request.
    mutating func begin(isHead: Bool) {
        self.isHead = isHead
        phase = .head
        interims = 0
        holdsBytes = false
    }

    var isInBody: Bool { phase == .body }

    /// Whether the end of the connection marks the end of the response.
    var endsWithConnection: Bool { phase == .body && framing == .untilClose }

    /// Returns whether the transfer can use further bytes.
    func canRead(_ transfer: Transfer) -> Bool { phase == .head || transfer.room > 0 }

    enum Outcome {
        /// More bytes are needed.
        case more
        /// The upstream asks for the body of the request (100 Continue).
        case mayContinue
        /// The caller has to read first.
        case full
        /// The response is complete. `isReusable` is false if the response, or bytes that followed it, forbid another request
        /// on the connection.
        case complete(isReusable: Bool)
        /// The transfer has refused the response, and has ended.
        case refused
        /// The response is malformed, exceeds a limit, or cannot be used.
        case failed(FetchError)
        /// The response does not belong to this request: the upstream sent it because the connection was idle for too long, and
        /// closes the connection.
        case isStale
    }

    /// Takes received bytes, and passes the response on to the transfer.
    mutating func take(_ bytes: UnsafeRawBufferPointer, for transfer: Transfer) -> Outcome {
        var used = 0
        holdsBytes = false
        guard !input.isEmpty else {
            let outcome = consume(bytes, &used, transfer)
            keep(bytes[used...], after: outcome)
            return outcome
        }
        var held = input
        input = []
        held.append(contentsOf: bytes)
        return held.withUnsafeBytes {
            let outcome = consume($0, &used, transfer)
            keep($0[used...], after: outcome)
            return outcome
        }
    }

    private mutating func keep(_ rest: Slice<UnsafeRawBufferPointer>, after outcome: Outcome) {
        guard !rest.isEmpty else { return }
        switch outcome {
        case .more: input = Array(rest)
        case .full, .mayContinue: (input, holdsBytes) = (Array(rest), true)
        case .complete, .refused, .failed, .isStale: break
        }
    }

    private mutating func consume(_ bytes: UnsafeRawBufferPointer, _ used: inout Int, _ transfer: Transfer) -> Outcome {
        while true {
            if phase == .head {
                guard used < bytes.count else { return .more }
                if let outcome = consumeHead(bytes, &used, transfer) { return outcome }
                continue
            }
            let room = transfer.room
            guard room > 0 || used == bytes.count else { return .full }
            let end = min(bytes.count, used.addingReportingOverflow(room).overflow ? .max : used + room)
            let step: BodyStep
            do throws(HTTPParseError) {
                step = try decoder.decode(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[used..<end])))
            } catch {
                return .failed(malformed(error, transfer))
            }
            let start = used
            used += step.consumed
            switch step.outcome {
            case .data(let range):
                let piece = UnsafeRawBufferPointer(rebasing: bytes[(start + range.lowerBound)..<(start + range.upperBound)])
                guard case .taken = transfer.receive(piece) else { return .refused }
                // A body of known length ends with its last byte.
                if decoder.isComplete { return complete(surplus: bytes.count - used) }
            case .needMore:
                if used == bytes.count { return .more }
            case .end: return complete(surplus: bytes.count - used)
            }
        }
    }

    private mutating func complete(surplus: Int) -> Outcome {
        phase = .over
        isFirst = false
        return .complete(isReusable: keepsAlive && surplus == 0)
    }

    /// Reads a head. Returns nil if a body or another head follows it.
    private mutating func consumeHead(
        _ bytes: UnsafeRawBufferPointer, _ used: inout Int, _ transfer: Transfer
    ) -> Outcome? {
        let head: ResponseHead
        do throws(HTTPParseError) {
            guard let next = try parser.parse(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[used...]))) else {
                return .more
            }
            head = next
        } catch {
            return .failed(malformed(error, transfer))
        }
        used += head.byteCount
        guard head.status >= 200 else { return interim(head.status, transfer) }
        keepsAlive = head.keepsAlive(toHead: isHead)
        // Servers send this without a request when they close an idle connection (RFC 9110 section 15.5.9).
        if head.status == 408, !isFirst, !keepsAlive { return .isStale }
        if head.status == 417, transfer.request.expectsContinue {
            return .failed(
                FetchError(
                    .badRequest, "\(transfer.origin.text): answered 417: it does not support `Expect`; turn `expectsContinue` off"
                )
            )
        }
        framing = head.framing(toHead: isHead)
        decoder = BodyDecoder(framing: framing, limits: ReceivedAnswer.limits)
        phase = .body
        guard transfer.receive(FetchHead(head)) else { return .refused }
        return framing == .none || framing == .length(0) ? complete(surplus: bytes.count - used) : nil
    }

    private mutating func interim(_ status: Int, _ transfer: Transfer) -> Outcome? {
        interims += 1
        guard interims <= ReceivedAnswer.mostInterims else {
            return .failed(
                FetchError(
                    .transfer, "\(transfer.origin.text): sent more than \(ReceivedAnswer.mostInterims) interim answers (1xx)"))
        }
        switch status {
        case 101: return .failed(FetchError(.transfer, "\(transfer.origin.text): switched protocols (101) without being asked"))
        case 100: return .mayContinue
        default: return nil
        }
    }

    private func malformed(_ error: HTTPParseError, _ transfer: Transfer) -> FetchError {
        let code: FetchError.Code =
            switch error.code {
            case .fieldLineTooLong, .tooManyFields, .fieldSectionTooLarge, .statusLineTooLong: .tooLarge
            default: .transfer
            }
        return FetchError(code, "\(transfer.origin.text): the answer cannot be used: \(error)\(limit(error.code))")
    }

    /// Returns a sentence with the limit that the response exceeds, for the message.
    private func limit(_ code: HTTPParseError.Code) -> String {
        let limits = ReceivedAnswer.limits
        return switch code {
        case .statusLineTooLong: " At most \(limits.requestLine) bytes are read."
        case .fieldLineTooLong: " At most \(limits.fieldLine) bytes are read."
        case .fieldSectionTooLarge where phase == .body: " At most \(limits.trailerBytes) bytes of trailers are read."
        case .fieldSectionTooLarge: " At most \(limits.headBytes) bytes are read."
        case .tooManyFields: " At most \(limits.fieldCount) are read."
        case .chunkExtensionsTooLong:
            " At most \(limits.chunkExtensionBytes) bytes per chunk and \(limits.bodyExtensionBytes) per body are read."
        case .chunkSizeTooLarge: " At most \(limits.chunkSizeDigits) digits, and 63 bits, are read."
        default: ""
        }
    }
}
