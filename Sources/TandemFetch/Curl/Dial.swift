internal import CCurl
internal import CTandemCurl
internal import Tandem

/// A connection that libcurl makes for one transfer: the name looked up, addresses tried, TLS established.
///
/// libcurl stops there (`CURLOPT_CONNECT_ONLY`). The socket is taken over; with TLS the handle stays attached, and what is sent and
/// received goes through it.
final class Dial: CurlJob, Wire {
    private let attempt: ConnectionAttempt
    private let multi: CurlMulti
    private let easy: EasyHandle

    private init(_ transfer: Transfer, _ multi: CurlMulti, _ easy: EasyHandle) {
        attempt = ConnectionAttempt(transfer, on: multi)
        self.multi = multi
        self.easy = easy
    }

    /// Starts to connect for `transfer`, whose wire this is until the connection stands. Throws `unavailable`, `timedOut`.
    static func begin(_ transfer: Transfer) throws(FetchError) {
        let multi = transfer.origin.pool.dialer
        let easy = try multi.takeHandle()
        let dial = Dial(transfer, multi, easy)
        try easy.prepare(transfer.url, transfer.origin, transfer.settings, transfer.phases.deadline)
        easy.set(CURLOPT_CONNECT_ONLY, true)
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        // libcurl reads nothing of HTTP here, and keeps its buffer for as long as the handle is attached.
        easy.set(CURLOPT_BUFFERSIZE, 1024)
        dial.attempt.install(on: easy)
        try multi.add(dial, easy)
        transfer.begin(on: dial)
    }

    // MARK: What libcurl tells

    func listens(to socket: CInt) { attempt.listens(to: socket) }

    func failed(_ error: FetchError) { attempt.transfer.fail(error) }

    func ended(_ result: CURLcode, _ easy: EasyHandle) {
        let transfer = attempt.transfer
        guard result == CURLE_OK else {
            let error = attempt.failure(result, easy)
            multi.remove(easy)
            return transfer.fail(error)
        }
        do {
            let connection = try connect(transfer)
            // At once: libcurl closes idle connections whose peer has ended, until the first call that sends or receives.
            connection.begin(transfer)
        } catch {
            multi.remove(easy)
            transfer.fail(error)
        }
    }

    private func connect(_ transfer: Transfer) throws -> UpstreamConnection {
        let socket = tandem_curl_socket(easy.pointer)
        guard let endpoint = attempt.endpoint(of: socket) else {
            throw FetchError(.couldNotConnect, "\(transfer.origin.text): the connection was lost when it had been made")
        }
        multi.stopWatching(socket)
        guard transfer.url.isSecure else {
            // libcurl is not needed any more. It would close the connection as soon as the peer ends its side.
            multi.keepOpen(socket)
            multi.remove(easy)
            return UpstreamConnection(try UpstreamSocket(socket, nil, on: multi), to: endpoint, transfer.origin, nil)
        }
        let upstream = try UpstreamSocket(socket, easy, on: multi)
        multi.replaceJob(of: easy, by: OpenConnection())
        return UpstreamConnection(upstream, to: endpoint, transfer.origin, transfer.settings.tls)
    }

    // MARK: What the transfer asks

    func resumeReceiving() {}
    func resumeSending() {}
    func abandon() { multi.remove(easy) }
}

/// What is left of a dial that has made a connection with TLS: libcurl has the handle, and nothing to do.
final class OpenConnection: CurlJob {
    func ended(_ result: CURLcode, _ easy: EasyHandle) {}
    func listens(to socket: CInt) {}
    func failed(_ error: FetchError) {}
}
