internal import Glibc
internal import Tandem

/// What a connection's bytes go through on their way to and from the kernel.
///
/// An enum, decided when the connection is accepted: the plain way costs a branch, and no allocation.
enum Transport {
    /// Nothing: TCP or a unix socket as it is.
    case plain(Descriptor)
    /// TLS.
    case tls(TLSSession)

    /// The socket, which waits are made on and which tells of the peer.
    var descriptor: Descriptor {
        switch self {
        case .plain(let descriptor): descriptor
        case .tls(let session): session.descriptor
        }
    }

    /// Reads what is there, without waiting: nil when nothing is, 0 bytes at the end.
    func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        switch self {
        case .plain(let descriptor): try descriptor.readAvailable(into: buffer)
        case .tls(let session): try session.readAvailable(into: buffer)
        }
    }

    /// Writes what is taken at once; nil when nothing is. What was not taken is to come first in the next call.
    func writeAvailable(_ buffer: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        switch self {
        case .plain(let descriptor): try descriptor.writeAvailable(buffer)
        case .tls(let session): try session.writeAvailable(buffer)
        }
    }

    /// What the socket has to become before a read that has found nothing is of use.
    var readWaitsFor: Descriptor.Direction {
        switch self {
        case .plain: .readable
        case .tls(let session): session.readWaitsFor
        }
    }

    /// What the socket has to become before a write that took nothing is of use.
    var writeWaitsFor: Descriptor.Direction {
        switch self {
        case .plain: .writable
        case .tls(let session): session.writeWaitsFor
        }
    }

    /// What TLS has agreed on; nil without TLS.
    var details: TLSDetails? {
        switch self {
        case .plain: nil
        case .tls(let session): session.details
        }
    }

    /// Says to the peer that nothing more will come; it may still send. Does not wait.
    func endOutput() {
        switch self {
        case .plain: break
        case .tls(let session): session.sendCloseNotify()
        }
        shutdown(descriptor.fd, CInt(SHUT_WR))
    }

    /// Closes the connection. Does not wait.
    func close() {
        switch self {
        case .plain: break
        case .tls(let session):
            session.sendCloseNotify()
            session.release()
        }
        descriptor.close()
    }
}
