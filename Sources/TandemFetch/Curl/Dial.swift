internal import CCurl
internal import CTandemCurl
internal import Tandem

/// The job that makes a connection for one transfer. libcurl looks up the name, tries the addresses and establishes TLS, and
/// then stops (`CURLOPT_CONNECT_ONLY`).
///
/// `UpstreamConnection` takes the socket over. With TLS the handle stays attached, and all bytes go through it.
final class Dial: CurlJob, Wire {
    private let attempt: ConnectionAttempt
    private let multi: CurlMulti
    private let easy: EasyHandle

    private init(_ transfer: Transfer, _ multi: CurlMulti, _ easy: EasyHandle) {
        attempt = ConnectionAttempt(transfer, on: multi)
        self.multi = multi
        self.easy = easy
    }

    /// Starts to connect for `transfer`. The dial is the wire of the transfer until the connection is made. Throws
    /// `FetchError`, such as `unavailable`.
    static func begin(_ transfer: Transfer) throws(FetchError) {
        let multi = transfer.origin.pool.dialer
        let easy = try multi.takeHandle()
        let dial = Dial(transfer, multi, easy)
        try easy.prepare(transfer.url, transfer.origin, transfer.settings, transfer.phases.deadline)
        easy.set(CURLOPT_CONNECT_ONLY, true)
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        // Small, because libcurl reads no HTTP here, but keeps the buffer for as long as the handle is attached.
        easy.set(CURLOPT_BUFFERSIZE, 1024)
        dial.attempt.install(on: easy)
        try multi.add(dial, easy)
        transfer.begin(on: dial)
    }

    // MARK: Events from libcurl

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
            // Begin at once: until the first send or receive, libcurl closes the connection if the peer has ended its side.
            connection.begin(transfer)
        } catch {
            multi.remove(easy)
            transfer.fail(error)
        }
    }

    private func connect(_ transfer: Transfer) throws -> UpstreamConnection {
        let socket = tandem_curl_socket(easy.pointer)
        guard let endpoint = attempt.endpoint(of: socket) else {
            throw FetchError(.couldNotConnect, "\(transfer.origin.text): the connection was lost right after it was made")
        }
        multi.stopWatching(socket)
        guard transfer.url.isSecure else {
            // libcurl is no longer needed. It would close the connection as soon as the peer ended its side.
            multi.keepOpen(socket)
            multi.remove(easy)
            return UpstreamConnection(try UpstreamSocket(socket, nil, on: multi), to: endpoint, transfer.origin, nil)
        }
        let upstream = try UpstreamSocket(socket, easy, on: multi)
        multi.replaceJob(of: easy, by: OpenConnection())
        return UpstreamConnection(upstream, to: endpoint, transfer.origin, transfer.settings.tls)
    }

    // MARK: Wire

    func resumeReceiving() {}
    func resumeSending() {}
    func abandon() { multi.remove(easy) }
}

/// The job of a handle whose TLS connection is in use. libcurl keeps the handle attached, and has nothing to do.
final class OpenConnection: CurlJob {
    func ended(_ result: CURLcode, _ easy: EasyHandle) {}
    func listens(to socket: CInt) {}
    func failed(_ error: FetchError) {}
}
