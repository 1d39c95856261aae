internal import CCurl
internal import CTandemCurl
internal import Glibc
internal import Tandem

/// The answers to libcurl's callbacks while it makes a connection for a transfer: whether it may connect to an address, and the
/// socket for the connection.
///
/// libcurl's callbacks get an unretained pointer to it. The job that owns it keeps it alive.
final class ConnectionAttempt {
    let transfer: Transfer
    private unowned let multi: CurlMulti
    // The sockets that were opened, each with its remote endpoint.
    private var sockets: [CInt: SocketEndpoint] = [:]
    private var refusedAddress: SocketEndpoint?
    private var wasRefused = false

    init(_ transfer: Transfer, on multi: CurlMulti) {
        self.transfer = transfer
        self.multi = multi
    }

    /// Makes libcurl ask this attempt for its sockets.
    func install(on easy: EasyHandle) {
        tandem_curl_set_open_socket(
            easy.pointer,
            { context, _, wanted in
                guard let wanted else { return CURL_SOCKET_BAD }
                // The address is read in place, because it can be longer than the field that libcurl declares for it.
                let address = UnsafeRawPointer(wanted) + MemoryLayout<curl_sockaddr>.offset(of: \.addr)!
                let attempt = Unmanaged<ConnectionAttempt>.fromOpaque(context!).takeUnretainedValue()
                let endpoint = SocketAddress(
                    address.assumingMemoryBound(to: sockaddr.self), length: MemoryLayout<sockaddr_in6>.size)?.endpoint
                guard let endpoint, attempt.mayConnect(to: endpoint) else { return CURL_SOCKET_BAD }
                // Close-on-exec: processes that the application starts must not inherit the socket, as they would libcurl's own.
                let type = wanted.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
                let fd = socket(wanted.pointee.family, type, wanted.pointee.protocol)
                if fd >= 0 { attempt.opened(fd, endpoint) }
                return fd
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Returns whether the client's rules permit this address. Keeps a refused address for the message.
    func mayConnect(to address: SocketEndpoint?) -> Bool {
        if let address, transfer.permits(address) { return true }
        if transfer.permitsAnyAddress { return true }
        refusedAddress = address
        wasRefused = true
        return false
    }

    private func opened(_ fd: CInt, _ endpoint: SocketEndpoint) {
        sockets[fd] = endpoint
        multi.opened(fd)
    }

    /// Returns the remote endpoint of a socket that this attempt has opened.
    func endpoint(of fd: CInt) -> SocketEndpoint? { sockets[fd] }

    /// Called when libcurl waits for this socket to become readable. Before the request is sent, that is the TLS handshake.
    func listens(to fd: CInt) {
        if transfer.url.isSecure, transfer.phases.phase == .connecting, sockets[fd] != nil { transfer.phases.enter(.handshake) }
    }

    /// Returns the error for the caller, for a result of libcurl that is a failure.
    func failure(_ result: CURLcode, _ easy: EasyHandle) -> FetchError {
        let origin = transfer.origin.text
        switch result {
        case CURLE_COULDNT_CONNECT where wasRefused && sockets.isEmpty, CURLE_ABORTED_BY_CALLBACK where wasRefused:
            return refused
        case CURLE_OPERATION_TIMEDOUT:
            guard !transfer.phases.deadline.hasPassed(on: transfer.origin.hub) else {
                return transfer.phases.deadline.exceeded(origin)
            }
            let limit = transfer.settings.configuration.connectTimeout
            return FetchError(
                .connectTimedOut, "\(origin): could not connect within \(limit)",
                curlCode: Int32(CURLE_OPERATION_TIMEDOUT.rawValue))
        default: return FetchError(result, fetching: origin, detail: easy.errorDetail)
        }
    }

    /// The error for the address that was not permitted.
    var refused: FetchError { transfer.refused(refusedAddress) }
}

extension FetchError {
    /// Creates the error for a result of libcurl. `detail` is libcurl's own message; it may be empty.
    init(_ result: CURLcode, fetching origin: String, detail: String) {
        let (code, what) = FetchError.meaning(of: result)
        let said = detail.isEmpty ? String(cString: curl_easy_strerror(result)) : FetchError.printable(detail)
        self.init(code, "\(origin): \(what): \(said)", curlCode: Int32(result.rawValue))
    }

    private static func meaning(of result: CURLcode) -> (Code, String) {
        switch result {
        case CURLE_URL_MALFORMAT:
            (.badURL, "not a URL that can be fetched")
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            (.couldNotResolve, "the name of the host could not be resolved")
        case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED:
            (.couldNotConnect, "could not connect; check that the server runs and listens there")
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS:
            (.tls, "TLS could not be established")
        case CURLE_SSL_CACERT_BADFILE:
            (.tls, "the file in `certificateAuthorities` cannot be used")
        case CURLE_OPERATION_TIMEDOUT:
            (.timedOut, "timed out")
        case CURLE_FILESIZE_EXCEEDED:
            (.tooLarge, "the response is too large")
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT:
            (.unavailable, "libcurl could not start the transfer")
        default:
            (.transfer, "the transfer failed")
        }
    }

    /// Returns the text with control characters replaced by spaces. A part of it may come from the server, and must not forge a
    /// log line.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 }))
    }
}
