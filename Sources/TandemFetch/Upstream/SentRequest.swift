internal import HTTPTypes
internal import Tandem

/// The state of sending a request on a connection.
///
/// | phase | leaves it by |
/// | --- | --- |
/// | awaitingContinue | `mayContinue` -> body or over |
/// | body | the end of the upload -> over |
/// | over | |
/// | broken | a write has failed: nothing more is sent |
struct SentRequest {
    private enum Phase { case awaitingContinue, body, over, broken }

    private var phase = Phase.over
    // The bytes to send next, and those to send after them.
    private var pending: ArraySlice<UInt8> = []
    private var following: ArraySlice<UInt8> = []
    private var isChunked = false
    private var hasUpload = false
    /// Whether the connection waits for the producer of the body to write more.
    var waitsForProducer = false

    /// The largest body in bytes that is sent together with the head.
    private static let sentWithHead = 32 * 1024

    /// Creates a state with nothing to send.
    init() {}

    /// Appends the head of the request, and a short body, to `output`, and keeps the rest to send later.
    init(_ transfer: Transfer, _ output: inout [UInt8]) {
        let request = transfer.request
        phase = .over
        switch request.body?.content {
        case .stream?:
            hasUpload = true
            isChunked = request.body?.contentLength == nil
            phase = request.announcesBody ? .awaitingContinue : .body
        case .bytes(let bytes)? where request.announcesBody:
            following = bytes[...]
            phase = .awaitingContinue
        default: break
        }
        output.appendHead(of: transfer)
        guard case .bytes(let bytes)? = request.body?.content, phase == .over else { return }
        if bytes.count <= SentRequest.sentWithHead { output.append(contentsOf: bytes) } else { following = bytes[...] }
    }

    /// Whether the whole request has been sent.
    var isOver: Bool { phase == .over && pending.isEmpty && following.isEmpty }

    /// Whether the body waits for the upstream to ask for it.
    var awaitsContinue: Bool { phase == .awaitingContinue }

    /// Whether a write has failed.
    var isBroken: Bool { phase == .broken }

    /// Whether the upload's bytes are being sent.
    var isInBody: Bool { phase == .body }

    /// Allows the body to be sent. Call it when the upstream has asked for the body, or has had enough time to ask.
    mutating func mayContinue() {
        if phase == .awaitingContinue { phase = hasUpload ? .body : .over }
    }

    /// Stops sending. Nothing more is sent.
    mutating func abort() {
        phase = .broken
        (pending, following) = ([], [])
    }

    // MARK: Bytes that wait to be sent

    /// The bytes to send before anything else; nil if there are none.
    var held: ArraySlice<UInt8>? {
        mutating get {
            if pending.isEmpty, !following.isEmpty, phase != .awaitingContinue {
                pending = following
                following = []
            }
            return pending.isEmpty ? nil : pending
        }
    }

    /// Keeps bytes that the kernel did not take.
    mutating func hold(_ bytes: ArraySlice<UInt8>) {
        if phase != .broken { pending = ArraySlice(Array(bytes)) }
    }

    /// Keeps bytes that the kernel did not take.
    mutating func hold(_ bytes: Slice<UnsafeMutableRawBufferPointer>) {
        if phase != .broken { pending = ArraySlice(Array(bytes)) }
    }

    /// Removes the first `count` held bytes, which have been sent.
    mutating func sent(_ count: Int) {
        if phase != .broken { pending = pending.dropFirst(count) }
    }

    // MARK: Streamed bodies

    enum Outcome {
        case bytes(UnsafeMutableRawBufferPointer)
        case mustWait
        case end
    }

    /// Takes the next piece of the body from the upload. If the length was not announced, frames it as a chunk (RFC 9112
    /// section 7.1).
    mutating func take(from upload: Upload, into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        // Room for a chunk size of eight digits and its line end.
        let front = isChunked ? 10 : 0
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[front..<(buffer.count - 8)])
        switch upload.move(into: room) {
        case .bytes(let count):
            waitsForProducer = false
            guard isChunked else { return .bytes(UnsafeMutableRawBufferPointer(rebasing: room[..<count])) }
            return .bytes(frame(count, in: buffer, front))
        case .mustWait:
            waitsForProducer = true
            return .mustWait
        case .closed:
            // The upstream has answered without the rest. The body must not look complete.
            abort()
            return .end
        case .end:
            phase = .over
            guard isChunked else { return .end }
            let last = UnsafeMutableRawBufferPointer(rebasing: buffer[..<5])
            last.copyBytes(from: "0\r\n\r\n".utf8)
            return .bytes(last)
        }
    }

    private func frame(_ count: Int, in buffer: UnsafeMutableRawBufferPointer, _ front: Int) -> UnsafeMutableRawBufferPointer {
        var start = front - 2
        (buffer[start], buffer[start + 1]) = (0x0d, 0x0a)
        var rest = count
        repeat {
            start -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            buffer[start] = digit < 10 ? 0x30 + digit : 0x57 + digit
            rest >>= 4
        } while rest > 0
        (buffer[front + count], buffer[front + count + 1]) = (0x0d, 0x0a)
        return UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(front + count + 2)])
    }
}

extension [UInt8] {
    /// Appends the head of a request (RFC 9112 sections 3 and 5).
    fileprivate mutating func appendHead(of transfer: Transfer) {
        let (request, settings) = (transfer.request, transfer.settings)
        append(contentsOf: request.method.rawValue.utf8)
        append(0x20)
        transfer.url.appendTarget(to: &self)
        append(contentsOf: " HTTP/1.1\r\n".utf8)
        var (hasHost, hasAgent, hasCoding, hasRange, hasAccept) = (false, false, false, false, false)
        if !request.headers.isEmpty {
            (hasHost, hasAgent) = (request.headers[.host] != nil, request.headers[.userAgent] != nil)
            (hasCoding, hasRange) = (request.headers[.acceptEncoding] != nil, request.headers[.range] != nil)
            hasAccept = request.headers[.accept] != nil
        }
        if !hasHost { append(contentsOf: transfer.origin.hostLine) }
        if let credentials = transfer.url.basicCredentials, request.headers[.authorization] == nil {
            append(HTTPField(name: .authorization, value: "Basic \(credentials)"))
        }
        for field in request.headers { append(field) }
        if !hasAgent { append(contentsOf: settings.userAgentLine) }
        if !hasAccept { append(contentsOf: "Accept: */*\r\n".utf8) }
        // Not with `Range`: a part of an encoded body cannot be decoded.
        if !hasCoding, !hasRange { append(contentsOf: settings.acceptEncodingLine) }
        if request.sendsBody {
            if let length = request.body == nil ? 0 : request.body?.contentLength {
                append(contentsOf: "Content-Length: \(length)\r\n".utf8)
            } else {
                append(contentsOf: "Transfer-Encoding: chunked\r\n".utf8)
            }
            if request.announcesBody { append(contentsOf: "Expect: 100-continue\r\n".utf8) }
        }
        append(0x0d)
        append(0x0a)
    }

    /// Appends a field line. `HTTPField` has no CR, LF or NUL in names and values, so it is exactly one line.
    mutating func append(_ field: HTTPField) {
        append(contentsOf: field.name.rawName.utf8)
        append(0x3a)
        append(0x20)
        field.withUnsafeBytesOfValue { append(contentsOf: $0) }
        append(0x0d)
        append(0x0a)
    }
}

extension HTTPField.Name {
    static let host = HTTPField.Name("Host")!
}
