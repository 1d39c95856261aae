internal import CCurl
internal import CTandemCurl
internal import Glibc
internal import Tandem

/// The socket of a connection to an upstream, plain or under TLS. It reads and writes without waiting, and tells when more can be
/// read or written. Every call is made on the hub's thread.
///
/// A plain socket is read, written and closed here. Under TLS libcurl does all three, through the handle that made the connection.
final class UpstreamSocket {
    enum Reading {
        case bytes(Int)
        /// Nothing is there.
        case nothing
        /// The peer has ended. `isOrderly` where the protocol below says that this is the end of what it sent.
        case end(isOrderly: Bool)
        /// `errno` is 0 where the reason is unknown.
        case failed(String, errno: CInt)
    }

    enum Writing {
        case bytes(Int)
        /// The kernel takes nothing now.
        case nothing
        case failed
    }

    private let descriptor: Descriptor
    // libcurl's handle, which has TLS; nil without TLS.
    private let easy: EasyHandle?
    private unowned(unsafe) let dialer: CurlMulti
    private var writesMayMove = false
    private var hasFailedToWrite = false

    /// Takes over a socket that libcurl has connected. Throws what the kernel refuses.
    ///
    /// - Parameters:
    ///   - fd: The number. It is closed with the socket, also when this throws and `easy` is nil.
    ///   - easy: libcurl's handle, which has TLS. It stays attached to its multi handle. nil without TLS.
    init(_ fd: CInt, _ easy: EasyHandle?, on dialer: CurlMulti) throws(TandemError) {
        self.easy = easy
        self.dialer = dialer
        do throws(TandemError) {
            descriptor = try Descriptor(adopting: fd)
        } catch {
            if easy == nil {
                dialer.closing(fd)
                _ = Glibc.close(fd)
            }
            throw error
        }
    }

    /// Closes it. Harmless when it is closed.
    func close() {
        guard let easy else {
            dialer.closing(descriptor.fd)
            return descriptor.close()
        }
        // libcurl closes the number.
        _ = descriptor.relinquish()
        dialer.remove(easy)
    }

    /// What the kernel has said of the peer.
    var peer: Descriptor.PeerState { descriptor.peer }

    /// Calls `handler` each time when the peer half-closes or goes away.
    func onPeerChange(_ handler: @escaping (Descriptor.PeerState) -> Void) { descriptor.onPeerChange = handler }

    /// Calls `handler` once, when there may be something to read; at once, if that is so already.
    func whenReadable(_ handler: @escaping () -> Void) { descriptor.whenReadable(handler) }

    /// Calls `handler` once, when there may be room to write; at once, if that is so already.
    func whenWritable(_ handler: @escaping () -> Void) { descriptor.whenWritable(handler) }

    /// Reads TLS's own messages, and returns whether nothing else has arrived. Asks the kernel, which may not have told the hub yet.
    ///
    /// - Parameter scratch: Memory that TLS's messages are read into.
    func checkQuiet(_ scratch: UnsafeMutableRawBufferPointer) -> Bool {
        if descriptor.peer != [] { return false }
        if let easy {
            // Session tickets and key updates carry no data. Data would belong to no request.
            if case .nothing = readTLS(into: scratch, easy) { return true }
            return false
        }
        var byte: UInt8 = 0
        guard recv(descriptor.fd, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) < 0, errno == EAGAIN else { return false }
        descriptor.foundNothing(to: .readable)
        return true
    }

    // MARK: Reading

    /// Reads what is there.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        if let easy { return readTLS(into: buffer, easy) }
        do throws(TandemError) {
            guard let count = try descriptor.readAvailable(into: buffer) else { return .nothing }
            // A reset is told once: after a write that failed because of it, the reader is told of an end.
            return count > 0 ? .bytes(count) : .end(isOrderly: !hasFailedToWrite && !descriptor.peer.contains(.gone))
        } catch {
            return .failed("was lost (\(error.message))", errno: error.errno)
        }
    }

    private func readTLS(into buffer: UnsafeMutableRawBufferPointer, _ easy: EasyHandle) -> Reading {
        var count = 0
        switch curl_easy_recv(easy.pointer, buffer.baseAddress!, buffer.count, &count) {
        case CURLE_OK where count > 0: return .bytes(count)
        case CURLE_OK: return .end(isOrderly: tandem_curl_peer_closed_tls(easy.pointer))
        case CURLE_AGAIN:
            descriptor.foundNothing(to: .readable)
            return .nothing
        default: return .failed("was lost (\(easy.errorDetail))", errno: 0)
        }
    }

    // MARK: Writing

    /// Writes what the kernel takes.
    func write(_ bytes: UnsafeRawBufferPointer) -> Writing {
        if let easy { return writeTLS(bytes, easy) }
        do throws(TandemError) {
            guard let count = try descriptor.writeAvailable(bytes) else { return .nothing }
            return .bytes(count)
        } catch {
            hasFailedToWrite = true
            return .failed
        }
    }

    private func writeTLS(_ bytes: UnsafeRawBufferPointer, _ easy: EasyHandle) -> Writing {
        var total = 0
        while total < bytes.count {
            var written = 0
            let result = curl_easy_send(easy.pointer, bytes.baseAddress! + total, bytes.count - total, &written)
            if !writesMayMove {
                // What could not be written is written later from other memory. libcurl tells of TLS only after its first call.
                tandem_curl_let_writes_move(easy.pointer)
                writesMayMove = true
            }
            switch result {
            case CURLE_OK: total += written
            case CURLE_AGAIN where total > 0: return .bytes(total)
            case CURLE_AGAIN:
                descriptor.foundNothing(to: .writable)
                return .nothing
            default: return .failed
            }
        }
        return .bytes(total)
    }
}
