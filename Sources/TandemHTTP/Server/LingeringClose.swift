internal import Tandem

extension Connection {
    /// Lets the client read the answer before the connection dies: closing while the client still sends, or with unread bytes
    /// in the receive buffer, sends a reset, which can overtake the answer (RFC 9112, 9.6).
    ///
    /// Sends FIN, then reads and drops until the client has ended too, is quiet for a second, or `lingerTimeout` is over.
    func lingerBeforeClose() async {
        guard !descriptor.peer.contains(.gone) else { return }
        transport.endOutput()
        let end = Deadline.after(settings.configuration.lingerTimeout)
        var dropped = 0
        do {
            while .after(.zero) < end {
                switch try server.buffers.scratch({ try descriptor.readAvailable(into: $0) }) {
                case 0: return
                case nil: try await descriptor.wait(for: .readable, deadline: min(end, .after(.seconds(1))))
                case let got?:
                    dropped += got
                    guard dropped >= 256 * 1024 else { continue }
                    // A client that never runs dry shares the hub all the same.
                    dropped = 0
                    try await sleep(for: .nanoseconds(1))
                }
            }
        } catch {
            // Quiet, gone, or cut: it has had its time.
        }
    }
}
