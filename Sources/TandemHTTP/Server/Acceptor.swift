internal import Glibc
internal import Logging
internal import Tandem

// @unchecked: used on one hub only.
/// The accept loop of one listening socket, which hands each client to `onAccept`.
final class Acceptor: @unchecked Sendable {
    /// The maximum number of connections that are accepted per turn of the hub.
    private static let mostPerTurn = 64

    private let listener: Descriptor
    private let file: UnixSocketFile?
    private let isTLS: Bool
    /// The parker on which the acceptor waits when no descriptor is free for another connection.
    private let room = Parker(for: "room for another connection")
    private let logger: Logger
    private var failures = LogSampler()
    private let onAccept: (CInt, SocketAddress, _ isTLS: Bool) -> Void
    private var hasEnded = false

    /// Takes ownership of the socket, also when it throws.
    init(
        _ socket: ListeningSocket, _ logger: Logger, onAccept: @escaping (CInt, SocketAddress, _ isTLS: Bool) -> Void
    ) throws(TandemError) {
        do throws(TandemError) {
            listener = try Descriptor(adopting: socket.fd)
        } catch {
            socket.close()
            throw error
        }
        isTLS = socket.isTLS
        file = socket.file
        self.logger = logger
        self.onAccept = onAccept
    }

    /// Accepts until `close`, or until its task is cancelled. A listener that fails ends this acceptor only.
    func run() async {
        do {
            while !hasEnded { try await acceptSome() }
        } catch {
            // `close` or a cancellation has ended the wait: nothing to report.
            if !hasEnded, !Task.isCancelled { logger.critical("cannot accept any more", metadata: ["error": "\(error)"]) }
        }
        close()
    }

    private func acceptSome() async throws {
        let mayBeMore: Bool
        do throws(TandemError) {
            mayBeMore = try acceptAvailable()
        } catch {
            // The listener is closed, or is not a listening socket.
            if error.code != .systemCall || [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(error.errno) { throw error }
            return try await backOff(error)
        }
        // The batch was full: let the hub poll the kernel before accepting more.
        if mayBeMore { await listener.hub.giveWay() } else { try await listener.wait(for: .readable) }
    }

    /// Accepts the waiting connections, at most `mostPerTurn`. Returns whether there may be more.
    private func acceptAvailable() throws(TandemError) -> Bool {
        for _ in 0..<Acceptor.mostPerTurn {
            var address = sockaddr_storage()
            let accepted = try withUnsafeMutableBytes(of: &address) { bytes throws(TandemError) -> (CInt, SocketAddress)? in
                guard let (fd, length) = try listener.acceptAvailable(address: bytes) else { return nil }
                return (fd, SocketAddress(UnsafeRawBufferPointer(rebasing: bytes[..<length])) ?? .unix(name: []))
            }
            guard let accepted else { return false }
            onAccept(accepted.0, accepted.1, isTLS)
        }
        return true
    }

    /// Waits after a failure, usually because no descriptor is free. Clients wait in the backlog. An immediate retry would fail
    /// again and hold the hub.
    private func backOff(_ error: TandemError) async throws {
        if let count = failures.add() {
            logger.warning(
                "cannot accept; trying again when a connection has ended, and each 100 ms",
                metadata: ["error": "\(error)", "count": "\(count)"])
        }
        do {
            try await room.park(deadline: .after(.milliseconds(100)))
        } catch let error as TandemError where error.code == .timedOut {
            // Another part of the process may have closed something.
        }
    }

    /// Wakes the acceptor if it waits for a free descriptor. Called when a connection has ended.
    func hasRoom() { room.unpark() }

    /// Accepts the connections in the kernel's backlog before the socket is closed, because closing it would reset them.
    func acceptBacklog(of length: Int) {
        // More connections may have arrived since the hub polled the kernel.
        listener.wakeReader()
        for _ in 0...length / Acceptor.mostPerTurn {
            guard (try? acceptAvailable()) == true else { return }
        }
    }

    /// Stops accepting, and closes the socket. A second call does nothing.
    func close() {
        hasEnded = true
        file?.remove()
        listener.close()
        room.unpark()
    }
}
