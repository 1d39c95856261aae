internal import CCurl
internal import CTandemCurl
internal import Glibc

extension Transfer {
    /// Has libcurl tell this transfer what arrives, and ask it what it may do. The multi keeps the transfer for as long
    /// as libcurl has the handle.
    func install(on easy: EasyHandle) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        tandem_curl_set_receivers(
            easy.pointer,
            { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                // Anything but the count makes libcurl give up.
                return Transfer.from(context).receive(headLine: line) ? line.count : 0
            },
            { bytes, size, count, context in
                Transfer.from(context).receive(bodyPiece: UnsafeRawBufferPointer(start: bytes, count: size * count))
            }, context)
        tandem_curl_set_open_socket(
            easy.pointer,
            { context, _, wanted in
                guard let wanted else { return CURL_SOCKET_BAD }
                // libcurl's struct is longer than it declares: the address is read in place.
                let address = UnsafeRawPointer(wanted) + MemoryLayout<curl_sockaddr>.offset(of: \.addr)!
                guard Transfer.from(context).mayOpenSocket(to: address.assumingMemoryBound(to: sockaddr.self)) else {
                    return CURL_SOCKET_BAD
                }
                // libcurl's own would be inherited by processes that the application starts, and stay open there.
                let type = wanted.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
                let fd = socket(wanted.pointee.family, type, wanted.pointee.protocol)
                if fd >= 0 { Transfer.from(context).opened(fd) }
                return fd
            }, context)
        tandem_curl_set_before_request(
            easy.pointer,
            { context, address, _, port, _ in
                Transfer.from(context).maySendRequest(to: address, port) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            }, context)
        guard upload != nil else { return }
        tandem_curl_set_sender(
            easy.pointer,
            { bytes, size, count, context in
                Transfer.from(context).send(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
            },
            { context, offset, origin in
                offset == 0 && origin == SEEK_SET && Transfer.from(context).mayRewind()
                    ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK
            }, context)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
    }
}
