internal import CCurl
internal import CTandemCurl
internal import Tandem
internal import Glibc

/// What libcurl asks while it makes a connection for a transfer: whether an address may be connected to, and the socket for it.
///
/// libcurl's callbacks get a pointer to it; the job that has it keeps it.
final class ConnectionAttempt {
    let transfer: Transfer
    private unowned let multi: CurlMulti
    private(set) var sockets: [CInt] = []
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
                // libcurl's struct is longer than it declares: the address is read in place.
                let address = UnsafeRawPointer(wanted) + MemoryLayout<curl_sockaddr>.offset(of: \.addr)!
                let attempt = Unmanaged<ConnectionAttempt>.fromOpaque(context!).takeUnretainedValue()
                guard
                    attempt.mayConnect(
                        to: SocketAddress(
                            address.assumingMemoryBound(to: sockaddr.self), length: MemoryLayout<sockaddr_in6>.size)?.endpoint)
                else {
                    return CURL_SOCKET_BAD
                }
                // libcurl's own would be inherited by processes that the application starts, and stay open there.
                let type = wanted.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
                let fd = socket(wanted.pointee.family, type, wanted.pointee.protocol)
                if fd >= 0 { attempt.opened(fd) }
                return fd
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Whether the client's rules permit this address. One that they do not is kept for the message.
    func mayConnect(to address: SocketEndpoint?) -> Bool {
        if let address, transfer.permits(address) { return true }
        if transfer.permitsAnyAddress { return true }
        refusedAddress = address
        wasRefused = true
        return false
    }

    private func opened(_ fd: CInt) {
        sockets.append(fd)
        multi.opened(fd)
    }

    /// libcurl waits for this socket to become readable: when no request has been sent yet, that is TLS.
    func listens(to fd: CInt) {
        if transfer.url.isSecure, transfer.phases.phase == .connecting, sockets.contains(fd) { transfer.phases.enter(.handshake) }
    }

    /// The caller's words for libcurl's result, which is a failure.
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
