internal import Tandem

/// The end of a connection whose client may still be sending. Closing a socket with unread bytes in its receive buffer sends
/// a reset, which can overtake the last answer (RFC 9112, 9.6).
struct LingeringClose {
    /// The time after which a silent client is given up.
    private static let silence = Duration.seconds(1)

    private let wire: Wire
    private let timeout: Duration

    init(_ wire: Wire, timeout: Duration) {
        self.wire = wire
        self.timeout = timeout
    }

    /// Sends FIN, then reads and drops input until the client has ended its side too, is silent, or the timeout is over.
    /// Cancelling the task cuts a client that continues to send.
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
                    // Checked only here: even a task that was cancelled during the request drops the input that has arrived.
                    if Task.isCancelled { return }
                }
            }
        } catch {
            // The client is silent or has gone, or the server has cut the connection.
        }
    }
}
