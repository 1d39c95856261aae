internal import CCurl
internal import CTandemCurl
internal import Glibc
internal import Tandem

/// The socket of a connection to an upstream, plain or under TLS. It reads and writes without waiting, and calls back when more
/// can be read or written. Used only on the hub's thread.
///
/// This class reads, writes and closes a plain socket itself. Under TLS libcurl does all three, through the handle that made
/// the connection.
final class UpstreamSocket {
    enum Reading {
        case bytes(Int)
        /// No bytes have arrived.
        case nothing
        /// The peer has ended its side. `isOrderly` is true if TCP or TLS confirms that it sent nothing more.
        case end(isOrderly: Bool)
        /// Reading has failed. `errno` is 0 if it is unknown.
        case failed(String, errno: CInt)
    }

    enum Writing {
        case bytes(Int)
        /// The kernel takes no bytes now.
        case nothing
        case failed
    }

    private let descriptor: Descriptor
    // libcurl's handle for a TLS connection; nil without TLS.
    private let easy: EasyHandle?
    private unowned(unsafe) let dialer: CurlMulti
    private var writesMayMove = false
    private var hasFailedToWrite = false

    /// Takes over a socket that libcurl has connected. Throws `TandemError` if the hub cannot watch it.
    ///
    /// - Parameters:
    ///   - fd: The descriptor. Without TLS this object owns it, and closes it also if the initializer throws.
    ///   - easy: libcurl's handle for a TLS connection, which stays attached to its multi handle; nil without TLS.
    ///   - dialer: The multi handle that made the connection.
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

    /// Closes the socket. A second call does nothing.
    func close() {
        guard let easy else {
            dialer.closing(descriptor.fd)
            return descriptor.close()
        }
        // libcurl closes the descriptor.
        _ = descriptor.relinquish()
        dialer.remove(easy)
    }

    /// The state of the peer that the kernel has reported.
    var peer: Descriptor.PeerState { descriptor.peer }

    /// Calls `handler` each time the peer half-closes or goes away.
    func onPeerChange(_ handler: @escaping (Descriptor.PeerState) -> Void) { descriptor.onPeerChange = handler }

    /// Calls `handler` once, when there may be bytes to read. Calls it at once if there are already.
    func whenReadable(_ handler: @escaping () -> Void) { descriptor.whenReadable(handler) }

    /// Calls `handler` once, when there may be room to write. Calls it at once if there is already.
    func whenWritable(_ handler: @escaping () -> Void) { descriptor.whenWritable(handler) }

    /// Reads TLS's own messages, and returns whether nothing else has arrived. It asks the kernel, because the hub may not know
    /// yet.
    ///
    /// - Parameter scratch: Memory to read into.
    func checkQuiet(_ scratch: UnsafeMutableRawBufferPointer) -> Bool {
        if descriptor.peer != [] { return false }
        if let easy {
            // Session tickets and key updates carry no data. Any data would belong to no request.
            if case .nothing = readTLS(into: scratch, easy) { return true }
            return false
        }
        var byte: UInt8 = 0
        guard recv(descriptor.fd, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) < 0, errno == EAGAIN else { return false }
        descriptor.foundNothing(to: .readable)
        return true
    }

    // MARK: Reading

    /// Reads the bytes that have arrived, as many as fit.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        if let easy { return readTLS(into: buffer, easy) }
        do throws(TandemError) {
            guard let count = try descriptor.readAvailable(into: buffer) else { return .nothing }
            // The kernel reports a reset only once. If a write has failed because of it, the read reports an end instead.
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

    /// Writes as many bytes as the kernel takes.
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
                // Bytes that could not be written are written again later, from other memory. This is set after the first write,
                // because libcurl does not reveal the TLS object earlier.
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
