internal import CCurl

/// Holding libcurl back, and letting it go on: each direction by itself.
extension Transfer {
    /// There is room again for what arrives.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        phases.madeProgress()
        applyPauses()
    }

    /// There is more to send, or the end.
    func resumeSending() {
        guard isSendingPaused else { return }
        isSendingPaused = false
        phases.madeProgress()
        applyPauses()
    }

    private func applyPauses() {
        guard let multi, let easy else { return }
        multi.setPauses((isPaused ? CURLPAUSE_RECV : 0) | (isSendingPaused ? CURLPAUSE_SEND : 0), of: self, easy)
    }
}
