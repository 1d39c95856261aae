internal import Tandem

/// The end of a connection whose client may still be sending. Closing a socket with unread bytes in its receive buffer sends
/// a reset, which can overtake the last answer (RFC 9112, 9.6).
struct LingeringClose {
    /// How long to wait for a client that is silent.
    private static let silence = Duration.seconds(1)

    private let wire: Wire
    private let timeout: Duration

    init(_ wire: Wire, timeout: Duration) {
        self.wire = wire
        self.timeout = timeout
    }

    /// Sends FIN, then reads and drops input until the client has ended its side too, is silent, or the time is over. Cancelling
    /// the task cuts a client that goes on sending.
    func run() async {
        guard !wire.descriptor.peer.contains(.gone) else { return }
        wire.endOutput()
        let end = Deadline.after(timeout)
        do {
            while .after(.zero) < end {
                switch try wire.discardAvailable() {
                case 0: return
                case nil: try await wire.descriptor.wait(for: .readable, deadline: min(end, .after(Self.silence)))
                case let dropped?:
                    guard wire.descriptor.hub.charge(bytes: dropped) else { continue }
                    await wire.descriptor.hub.giveWay()
                    // Not earlier: even if the task was cancelled during the request, it drops what has arrived.
                    if Task.isCancelled { return }
                }
            }
        } catch {
            // The client is silent or has gone, or the server has cut the connection.
        }
    }
}
