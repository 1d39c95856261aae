internal import Tandem

/// The end of a connection whose client may still be sending: closing it with unread bytes in the receive buffer sends a
/// reset, which can overtake the last answer (RFC 9112, 9.6).
struct LingeringClose {
    /// A client that is silent for this long is not waited for.
    private static let silence = Duration.seconds(1)

    private let wire: Wire
    private let timeout: Duration

    init(_ wire: Wire, timeout: Duration) {
        self.wire = wire
        self.timeout = timeout
    }

    /// Sends FIN, then reads and drops until the client has ended too, is silent, or the time is over. A client that goes on
    /// sending is cut when the task is cancelled.
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
                    // Not before: what has arrived is dropped also when the task was cancelled while the request was handled.
                    if Task.isCancelled { return }
                }
            }
        } catch {
            // Silent, gone, or cut: it has had its time.
        }
    }
}
