internal import Glibc
internal import Tandem

extension Descriptor {
    /// Sends FIN.
    func endSending() { shutdown(fd, CInt(SHUT_WR)) }

    /// Makes `close` send RST.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Whether bytes, the end or an error can be read without waiting. Reads nothing.
    var hasInput: Bool {
        var byte: UInt8 = 0
        let got = recv(fd, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT))
        return got >= 0 || errno != EAGAIN
    }
}
