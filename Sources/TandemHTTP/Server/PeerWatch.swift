internal import Tandem

/// Watching the peer while a handler runs: a client that goes away cancels it.
extension Connection {
    func peerChanged(_ peer: Descriptor.PeerState) {
        guard handlerRuns else { return }
        if peer.contains(.gone) {
            cancel("the client reset the connection")
        } else {
            watchHalfClosed()
        }
    }

    func beginWatching() {
        handlerRuns = true
        watchHalfClosed()
    }

    func endWatching() {
        handlerRuns = false
        graceTimer?.disarm()
    }

    /// A client that has sent FIN may still read the answer, or may be gone: it gets the grace to tell.
    @inline(never)
    private func watchHalfClosed() {
        guard !descriptor.peer.isEmpty else { return }
        if descriptor.peer.contains(.gone) { return cancel("the client reset the connection") }
        let timer =
            graceTimer
            ?? HubTimer(on: server.hub) { [unowned self] in
                if handlerRuns { cancel("the client closed its side and the answer took longer than the grace") }
            }
        graceTimer = timer
        timer.arm(.after(settings.configuration.halfCloseGrace))
    }

    private func cancel(_ reason: String) {
        lostPeer = reason
        task?.cancel()
    }
}
