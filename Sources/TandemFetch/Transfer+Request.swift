internal import CCurl
internal import Glibc
internal import HTTPTypes
internal import Tandem

/// What goes out: libcurl's callbacks for connections, the request and its body.
extension Transfer {
    func send(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let upload else { return 0 }
        switch upload.move(into: buffer) {
        case .bytes(let count):
            phases.enter(.sending)
            return count
        case .end:
            phases.enter(.awaitingHead)
            return 0
        case .mustWait:
            isSendingPaused = true
            return Int(CURL_READFUNC_PAUSE)
        }
    }

    /// libcurl wants to send the body from its beginning once more.
    func mayRewind() -> Bool { upload.map { !$0.hasBegun } ?? false }

    func mayOpenSocket(to address: UnsafePointer<sockaddr>) -> Bool {
        addressPolicy.isAny || mayConnect(to: SocketAddress(address, length: MemoryLayout<sockaddr_in6>.size)?.endpoint)
    }

    func opened(_ socket: CInt) {
        socketsOpened.append(socket)
        multi?.opened(socket)
    }

    /// libcurl wants to know when this socket becomes readable, and nothing else of it.
    func listens(to socket: CInt) {
        if socketsOpened.contains(socket) { phases.listens() }
    }

    /// Asked when the connection stands, before the request goes out, also on a connection that is open already.
    func maySendRequest(to address: UnsafePointer<CChar>?, _ port: CInt) -> Bool {
        if !addressPolicy.isAny {
            let address = address.flatMap { SocketEndpoint(digits: $0, port: port) }
            guard mayConnect(to: address) else { return refuse(refused) }
        }
        requestsSent += 1
        // libcurl itself sends again when a connection that it kept has died: the server may have acted on the first. And
        // after 417, with the same field.
        if head?.status.code == 417 {
            return refuse(
                FetchError(.badRequest, "\(url.origin): answers 417: it knows no `Expect`; leave `expectsContinue` off"))
        }
        guard requestsSent == 1 || isIdempotent else {
            return refuse(
                FetchError(.transfer, "\(url.origin): the connection ended without an answer; the request may have been acted on")
            )
        }
        phases.enter(upload == nil ? .awaitingHead : .sending)
        return true
    }

    private func mayConnect(to address: SocketEndpoint?) -> Bool {
        let address = address?.unmapped
        if let address, addressPolicy.permits(address, for: url.host) { return true }
        refusedAddress = address
        wasRefused = true
        return false
    }
}
