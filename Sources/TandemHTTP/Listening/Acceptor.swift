internal import Tandem

// @unchecked: lives on one hub, and is used there only.
/// A listening socket on its hub.
final class Acceptor: @unchecked Sendable {
    let listener: Descriptor
    /// Whether connections speak TLS on it.
    let isTLS: Bool
    /// Where it waits when the kernel has no descriptor for another connection.
    let room = Parker(for: "room for another connection")
    private let file: UnixSocketFile?

    /// Takes the socket over, also when it throws.
    init(_ socket: ListeningSocket) throws(TandemError) {
        do throws(TandemError) {
            listener = try Descriptor(adopting: socket.fd)
        } catch {
            socket.close()
            throw error
        }
        isTLS = socket.isTLS
        file = socket.file
    }

    /// Listens no more, and lets whoever waits here go on. Harmless when closed already.
    func close() {
        file?.remove()
        listener.close()
        room.unpark()
    }
}
