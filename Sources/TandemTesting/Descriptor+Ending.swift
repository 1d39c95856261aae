internal import Glibc
internal import Tandem

extension Descriptor {
    /// Sends FIN.
    func endSending() { shutdown(fd, CInt(SHUT_WR)) }

    /// Has `close` send RST.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}
