import Glibc
import Testing

@testable import TandemFetch

@Suite(.serialized, .timeLimit(.minutes(1)))
struct OpenSocketsTests {
    private func newSocket() -> CInt { socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0) }

    @Test func `each opened and closed socket is counted once`() {
        var sockets = OpenSockets()
        let (one, other) = (newSocket(), newSocket())
        let forgotten = [sockets.opened(one), sockets.opened(other)]
        #expect(forgotten == [0, 0] && sockets.count == 2)
        let first = sockets.closing(one)
        close(one)
        let second = sockets.closing(one)
        #expect(first && !second)
        let dropped = sockets.dropForgotten()
        #expect(dropped == 0 && sockets.count == 1)
        close(other)
    }

    @Test func `a socket closed unnoticed is detected, even when its number is in use again`() {
        var sockets = OpenSockets()
        let (free, reused, reopened) = (newSocket(), newSocket(), newSocket())
        for fd in [free, reused, reopened] { _ = sockets.opened(fd) }
        let another = newSocket()
        dup2(another, reused)
        dup2(another, reopened)
        close(free)
        let forgotten = sockets.opened(reopened)
        #expect(forgotten == 1 && sockets.count == 3)
        let dropped = sockets.dropForgotten()
        #expect(dropped == 2 && sockets.count == 1)
        for fd in [reused, reopened, another] { close(fd) }
    }

    @Test func `forgotten sockets do not accumulate`() {
        var sockets = OpenSockets()
        let fds = (0..<64).map { _ in newSocket() }
        for fd in fds { _ = sockets.opened(fd) }
        let last = newSocket()
        for fd in fds { close(fd) }
        let forgotten = sockets.opened(last)
        #expect(forgotten == 64 && sockets.count == 1)
        close(last)
    }
}
