internal import Tandem

extension Connection {
    /// Lets the client read the answer before the connection dies: closing with unread bytes in the receive buffer sends a
    /// reset, which can overtake the answer (RFC 9112, 9.6).
    func lingerBeforeClose() async {
        guard !descriptor.peer.contains(.gone) else { return }
        transport.endOutput()
        let deadline = Deadline.after(.seconds(1))
        var dropped = 0
        while dropped < 256 * 1024 {
            do {
                let got = try server.buffers.scratch { try descriptor.readAvailable(into: $0) }
                if got == 0 { return }
                if let got { dropped += got } else { try await descriptor.wait(for: .readable, deadline: deadline) }
            } catch {
                return
            }
        }
    }
}
