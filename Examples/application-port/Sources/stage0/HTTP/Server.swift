import Foundation
import Synchronization

/// A server with a thread per connection. SIGTERM ends it when the requests in flight have been answered.
final class Server: @unchecked Sendable {  // the router does not change any more when threads begin
    private struct State {
        var isDraining = false
        /// The open connections, and whether each waits for a request after its first.
        var connections: [Int32: Bool] = [:]
    }

    private let router: Router
    private let state = Mutex(State())

    init(router: Router) { self.router = router }

    /// Serves on the loopback address until SIGTERM.
    func run(port: UInt16) throws {
        signal(SIGHUP, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        // Before any thread begins: all inherit it.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let listener = try listen(on: port)
        let stop = stopDescriptor(signals)
        while true {
            var ready = [
                pollfd(fd: listener, events: Int16(POLLIN), revents: 0), pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
            ]
            poll(&ready, 2, -1)
            if ready[1].revents != 0 { break }
            accept(from: listener)
        }
        // Those that the kernel has connected are served, too.
        accept(from: listener)
        close(listener)
        drain()
    }

    /// Returns a descriptor that can be read when SIGTERM has arrived. The signal is blocked in all other threads.
    private func stopDescriptor(_ signals: sigset_t) -> Int32 {
        let pipe = Pipe()
        let input = pipe.fileHandleForWriting
        Thread.detachNewThread {
            var signals = signals
            var signal: Int32 = 0
            sigwait(&signals, &signal)
            input.closeFile()
        }
        return dup(pipe.fileHandleForReading.fileDescriptor)
    }

    private func listen(on port: UInt16) throws -> Int32 {
        let listener = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && Foundation.listen(listener, 1_024) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else {
            throw SettingsError(description: "cannot listen on port \(port): \(String(cString: strerror(errno)))")
        }
        FileHandle.standardError.write(Data("tickets: serving on 127.0.0.1:\(UInt16(bigEndian: address.sin_port))\n".utf8))
        return listener
    }

    /// Starts a thread for each connection that waits to be accepted.
    private func accept(from listener: Int32) {
        while true {
            let descriptor = Foundation.accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            state.withLock { $0.connections[descriptor] = false }
            Thread.detachNewThread { [self] in
                Connection(descriptor, self, router).serve()
            }
        }
    }

    /// Ends idle connections, and waits up to 30 seconds for the others.
    private func drain() {
        state.withLock { state in
            state.isDraining = true
            for (descriptor, isIdle) in state.connections where isIdle { shutdown(descriptor, Int32(SHUT_RD)) }
        }
        let end = Date() + 30
        while Date() < end, !state.withLock({ $0.connections.isEmpty }) { usleep(10_000) }
    }

    // MARK: For connections

    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Notes that a connection waits for a request. Returns false when it has to end instead.
    func waits(_ connection: Connection, isFirst: Bool) -> Bool {
        state.withLock { state in
            guard isFirst || !state.isDraining else { return false }
            state.connections[connection.descriptor] = !isFirst
            return true
        }
    }

    /// Notes that a connection has a request.
    func works(_ connection: Connection) { state.withLock { $0.connections[connection.descriptor] = false } }

    /// Notes that a connection has ended, before its descriptor is closed.
    func ended(_ connection: Connection) { _ = state.withLock { $0.connections.removeValue(forKey: connection.descriptor) } }
}
