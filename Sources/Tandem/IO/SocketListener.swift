internal import Glibc

// @unchecked: the state belongs to the hub's thread. Every call checks that it runs there, except `close` and `deinit`, which hand
// the descriptor to the hub.
/// A listening socket: the part that `TCPListener` and `UnixListener` share.
///
/// A listener belongs to the hub on which it was made, and so do the streams that it accepts. It is `Sendable`, and every call
/// checks where it runs: on another hub `accept` throws `TandemError` `wrongHub`; on a thread without a hub, the async form throws
/// `hubStopped` and the blocking form `notOnGreenThread`. `close` works on any thread. Dropping the last reference closes it too.
///
/// Any number of callers may wait in `accept`; they take turns in order of arrival. Connections that nobody has accepted yet wait
/// in the kernel, up to the backlog.
public class SocketListener: @unchecked Sendable {
    /// The hub that the listener belongs to.
    public let hub: Hub
    private let descriptor: Descriptor
    private let file: UnixSocketFile?

    /// Takes ownership of a listening socket and its file, also if it throws.
    init(_ fd: CInt, file: UnixSocketFile? = nil) throws(TandemError) {
        do throws(TandemError) {
            descriptor = try Descriptor(adopting: fd, sharing: true)
        } catch {
            file?.remove()
            Glibc.close(fd)
            throw error
        }
        hub = descriptor.hub
        self.file = file
    }

    deinit { close() }

    /// Whether the listener was closed. Must be used on the hub's thread.
    public var isClosed: Bool {
        hub.preconditionOnThread("SocketListener.isClosed")
        return descriptor.isClosed
    }

    /// Stops listening. Any thread. Calls that wait in `accept` throw `TandemError` `closed`, and so does every later call. The
    /// kernel resets the connections that nobody has accepted. The file of a unix socket is removed. A second call does nothing.
    ///
    /// On the hub's thread the listener is closed when this returns; on any other thread the hub closes it in one of its next turns.
    public func close() {
        file?.remove()
        descriptor.closeOnHub()
    }

    /// Accepts a connection; suspends until there is one.
    func acceptDescriptor(_ call: StaticString, _ deadline: Deadline) async throws -> (Descriptor, SocketAddress) {
        try hub.checkIsCurrent(call)
        if hub.mustGiveWay { await hub.giveWay() }
        if descriptor.mayTry(.readable), let accepted = try acceptAvailable() {
            hub.charge()
            return accepted
        }
        while true {
            try await descriptor.wait(for: .readable, deadline: deadline)
            if let accepted = try acceptAvailable() { return accepted }
        }
    }

    /// Accepts a connection; parks the green thread until there is one.
    @available(*, noasync)
    func acceptDescriptor(
        _ call: StaticString, _ deadline: Deadline, _ file: StaticString, _ line: UInt
    ) throws -> (Descriptor, SocketAddress) {
        _ = try currentFiberOnHub(call, file, line)
        try hub.checkIsCurrent(call)
        if hub.mustGiveWay { hub.giveWay() }
        if descriptor.mayTry(.readable), let accepted = try acceptAvailable() {
            hub.charge()
            return accepted
        }
        while true {
            try descriptor.wait(for: .readable, deadline: deadline, file: file, line: line)
            if let accepted = try acceptAvailable() { return accepted }
        }
    }

    private func acceptAvailable() throws(TandemError) -> (Descriptor, SocketAddress)? {
        var storage = sockaddr_storage()
        return try withUnsafeMutableBytes(of: &storage) { bytes throws(TandemError) -> (Descriptor, SocketAddress)? in
            guard let (fd, length) = try descriptor.acceptAvailable(address: bytes) else { return nil }
            do throws(TandemError) {
                let address = SocketAddress(UnsafeRawBufferPointer(rebasing: bytes[..<length])) ?? .unix(name: [])
                return (try Descriptor(adopting: fd), address)
            } catch {
                Glibc.close(fd)
                throw error
            }
        }
    }
}
