internal import CCurl
internal import CTandemCurl
internal import Tandem
internal import Glibc
internal import HTTPTypes

/// A request in HTTP/2 and its response. libcurl frames both.
///
/// If the upstream agrees only to HTTP/1.1, libcurl gives up before it sends anything, and the transfer continues on an
/// separate HTTP/1.1 connection. So libcurl never reads a response in HTTP/1.1.
final class HTTP2Stream: CurlJob, Wire {
    private let transfer: Transfer
    private let session: HTTP2Session
    private let easy: EasyHandle
    private let attempt: ConnectionAttempt
    private var head = HTTP2HeadReader()
    // The length of the body in bytes if the head announces it, and the number of bytes that have arrived.
    private var expected: Int?
    private var received = 0
    private var hasSentUpload = false
    private var isReceivingPaused = false
    private var isSendingPaused = false
    private var requestsSent = 0
    private var refusal: FetchError?
    private var speaksHTTP1 = false

    private var multi: CurlMulti { session.multi }

    private init(_ transfer: Transfer, _ session: HTTP2Session, _ easy: EasyHandle) {
        self.transfer = transfer
        self.session = session
        self.easy = easy
        attempt = ConnectionAttempt(transfer, on: session.multi)
    }

    /// Sends the request of `transfer`. The stream becomes its wire. Throws `FetchError`, such as `unavailable`.
    static func begin(_ transfer: Transfer, on session: HTTP2Session) throws(FetchError) {
        let easy = try session.multi.takeHandle()
        let stream = HTTP2Stream(transfer, session, easy)
        do throws(FetchError) {
            try easy.prepare(transfer.url, transfer.origin, transfer.settings, transfer.phases.deadline)
            try easy.prepareHTTP2(transfer)
            stream.attempt.install(on: easy)
            stream.install()
            try session.multi.add(stream, easy)
        } catch {
            session.streamEnded()
            throw error
        }
        session.streamBegan()
        transfer.begin(on: stream)
    }

    // MARK: libcurl's callbacks

    private func install() {
        // Unretained: the multi handle keeps the stream alive while libcurl has its handle.
        let context = Unmanaged.passUnretained(self).toOpaque()
        tandem_curl_set_receivers(
            easy.pointer,
            { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                // Any result other than the count makes libcurl give up.
                return HTTP2Stream.from(context).receive(headLine: line) ? line.count : 0
            },
            { bytes, size, count, context in
                HTTP2Stream.from(context).receive(UnsafeRawBufferPointer(start: bytes, count: size * count))
            }, context)
        tandem_curl_set_before_request(
            easy.pointer,
            { context, address, _, port, _ in
                HTTP2Stream.from(context).maySendRequest(to: address, port) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            }, context)
        guard transfer.upload != nil else { return }
        tandem_curl_set_sender(
            easy.pointer,
            { bytes, size, count, context in
                HTTP2Stream.from(context).send(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
            },
            { context, offset, origin in
                offset == 0 && origin == SEEK_SET && HTTP2Stream.from(context).mayRewind
                    ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK
            }, context)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> HTTP2Stream {
        Unmanaged<HTTP2Stream>.fromOpaque(context!).takeUnretainedValue()
    }

    /// Returns whether libcurl may send the request. libcurl calls this when the connection is ready, also if it was open
    /// already.
    private func maySendRequest(to address: UnsafePointer<CChar>?, _ port: CInt) -> Bool {
        guard tandem_curl_speaks(easy.pointer, "h2") else {
            speaksHTTP1 = true
            return false
        }
        let address = address.flatMap { SocketEndpoint(digits: $0, port: port) }
        guard attempt.mayConnect(to: address) else {
            refusal = attempt.refused
            return false
        }
        requestsSent += 1
        // libcurl itself repeats a request if a kept connection has died, but the server may have acted on the first one.
        guard requestsSent == 1 || transfer.isIdempotent else {
            refusal = FetchError(
                .transfer,
                "\(transfer.origin.text): the connection ended without an answer; the request may have been acted on, "
                    + "so it is not sent again")
            return false
        }
        transfer.phases.enter(transfer.upload == nil ? .awaitingHead : .sending)
        return true
    }

    private func receive(headLine line: UnsafeRawBufferPointer) -> Bool {
        transfer.noteAnswer()
        switch head.take(line) {
        case .incomplete: return true
        case .complete(let head):
            guard transfer.receive(head) else { return false }
            expected = transfer.isHead || head.code == 204 || head.code == 304 ? 0 : head.contentLength
            endIfWhole()
            // After a response that refuses the request, libcurl sends no more of the body, but still waits for a paused
            // producer.
            if head.code >= 300, transfer.upload != nil { multi.later { [weak self] in self?.resumeSending() } }
            return true
        case .failed(let code, let what):
            refusal = FetchError(code, "\(transfer.origin.text): \(what)")
            return false
        }
    }

    private func receive(_ piece: UnsafeRawBufferPointer) -> Int {
        guard transfer.room > 0 else { return pauseReceiving() }
        switch transfer.receive(piece) {
        case .taken:
            received += piece.count
            endIfWhole()
            return piece.count
        case .full: return pauseReceiving()
        case .refused: return 0
        }
    }

    /// Ends the transfer if the response is complete and the upload is not, because libcurl would wait for the rest of the
    /// upload. Without an announced length only libcurl knows the end of the response.
    private func endIfWhole() {
        guard transfer.upload != nil, !hasSentUpload, let expected, received >= expected else { return }
        multi.later { [weak self] in
            guard let self, !transfer.hasEnded else { return }
            multi.remove(easy)
            transfer.complete()
            session.streamEnded()
        }
    }

    private func pauseReceiving() -> Int {
        isReceivingPaused = true
        transfer.phases.isHeldBack = true
        return Int(CURL_WRITEFUNC_PAUSE)
    }

    private func send(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let upload = transfer.upload else { return 0 }
        switch upload.move(into: buffer) {
        case .bytes(let count):
            transfer.phases.enter(.sending)
            return count
        case .end, .closed:
            hasSentUpload = true
            // Also after a response that refuses the rest: the end of the body is the only way to make libcurl stop sending and
            // continue to receive.
            transfer.phases.enter(.awaitingHead)
            return 0
        case .mustWait:
            isSendingPaused = true
            transfer.phases.isHeldBack = true
            return Int(CURL_READFUNC_PAUSE)
        }
    }

    /// Whether the body can still be sent from its beginning.
    private var mayRewind: Bool { transfer.upload.map { !$0.hasBegun } ?? false }

    // MARK: Events from libcurl

    func listens(to socket: CInt) { attempt.listens(to: socket) }

    func failed(_ error: FetchError) { transfer.fail(error) }

    func ended(_ result: CURLcode, _ easy: EasyHandle) {
        let failure = result == CURLE_OK ? nil : refusal ?? attempt.failure(result, easy)
        multi.remove(easy)
        defer { session.streamEnded() }
        if speaksHTTP1 { return goOnInHTTP1() }
        if let failure { return transfer.fail(failure) }
        guard transfer.head != nil else {
            return transfer.fail(FetchError(.transfer, "\(transfer.origin.text): the connection ended without an answer"))
        }
        transfer.complete()
    }

    private func goOnInHTTP1() {
        transfer.origin.refusedHTTP2()
        guard !transfer.hasEnded else { return }
        transfer.phases.enter(.connecting)
        do throws(FetchError) { try Dial.begin(transfer) } catch { transfer.fail(error) }
    }

    // MARK: Wire

    func resumeReceiving() {
        guard isReceivingPaused else { return }
        isReceivingPaused = false
        applyPauses()
    }

    func resumeSending() {
        guard isSendingPaused else { return }
        isSendingPaused = false
        applyPauses()
    }

    /// Tells libcurl which directions are paused. libcurl may deliver bytes that it held back before this returns.
    private func applyPauses() {
        transfer.phases.isHeldBack = isReceivingPaused || (isSendingPaused && transfer.upload?.isOpen == true)
        transfer.phases.madeProgress()
        let pauses = (isReceivingPaused ? CURLPAUSE_RECV : 0) | (isSendingPaused ? CURLPAUSE_SEND : 0)
        multi.later { [self] in
            guard !transfer.hasEnded else { return }
            let result = multi.call { curl_easy_pause(easy.pointer, pauses) }
            // libcurl gave up while it delivered bytes, and will not report the end of the stream.
            guard result != CURLE_OK, !transfer.hasEnded else { return }
            ended(result, easy)
        }
    }

    func abandon() {
        multi.remove(easy)
        session.streamEnded()
    }
}

extension EasyHandle {
    /// Sets the options of a request in HTTP/2. Throws if an option could not be set.
    fileprivate func prepareHTTP2(_ transfer: Transfer) throws(FetchError) {
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        // Wait for a connection that is being made, because this request may share it.
        set(CURLOPT_PIPEWAIT, true)
        setMethod(transfer.request)
        addFields(transfer)
        guard firstFailure == CURLE_OK else {
            throw FetchError(firstFailure, fetching: transfer.origin.text, detail: errorDetail)
        }
    }

    private func setMethod(_ request: FetchRequest) {
        switch request.method {
        case .get where request.body == nil: return set(CURLOPT_HTTPGET, true)
        case .head: return set(CURLOPT_NOBODY, true)
        default: break
        }
        switch request.body?.content {
        case nil where request.sendsBody: set(body: [])
        case nil: break
        case .bytes(let bytes)?: set(body: bytes)
        case .stream?:
            set(CURLOPT_UPLOAD, true)
            set(CURLOPT_INFILESIZE_LARGE, offset: Int64(request.body?.contentLength ?? -1))
        }
        set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    }

    private func set(body: [UInt8]) {
        set(CURLOPT_POST, true)
        set(CURLOPT_POSTFIELDSIZE_LARGE, offset: Int64(body.count))
        if body.isEmpty {
            set(CURLOPT_COPYPOSTFIELDS, "")
        } else {
            body.withUnsafeBytes { set(CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
        }
    }

    private func addFields(_ transfer: Transfer) {
        let (request, configuration) = (transfer.request, transfer.settings.configuration)
        for field in request.headers { add(field) }
        if let credentials = transfer.url.basicCredentials, request.headers[.authorization] == nil {
            add(HTTPField(name: .authorization, value: "Basic \(credentials)"))
        }
        if let agent = configuration.userAgent, request.headers[.userAgent] == nil {
            add(HTTPField(name: .userAgent, value: agent))
        }
        // Not with `Range`: a part of an encoded body cannot be decoded.
        if configuration.decompresses, request.headers[.acceptEncoding] == nil, request.headers[.range] == nil {
            add(HTTPField(name: .acceptEncoding, value: Inflater.accepted))
        }
        if request.sendsBody {
            // These lines suppress the `Content-Type` of a form and the `Expect` that libcurl would add itself.
            addField(request.announcesBody ? "Expect: 100-continue" : "Expect:")
            if request.headers[.contentType] == nil { addField("Content-Type:") }
        }
        useFields()
    }

    /// Adds a field line. `HTTPField` has no CR, LF or NUL in names and values, so the line is exactly one field.
    private func add(_ field: HTTPField) {
        var line = Array(field.name.rawName.utf8)
        field.withUnsafeBytesOfValue { value in
            line.append(contentsOf: value.isEmpty ? ";".utf8 : ": ".utf8)
            line.append(contentsOf: value)
        }
        line.append(0)
        line.withUnsafeBytes { addField($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }
}
