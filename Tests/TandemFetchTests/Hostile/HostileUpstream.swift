import COpenSSL
import Glibc
import Synchronization

/// An upstream that misbehaves on request: for each request a script says what happens at which byte.
///
/// It runs in this process on its own OS threads, one per connection, and depends on no hub. Every call that waits has a
/// time limit, so that it ends whatever the client does. It lives until `stop`.
final class HostileUpstream: Sendable {
    enum Transport: String, CaseIterable, Sendable {
        case plain = "HTTP"
        case tls12 = "HTTPS with TLS 1.2"
        case tls13 = "HTTPS with TLS 1.3"

        fileprivate var context: HostileTLSContext? {
            switch self {
            case .plain: nil
            case .tls12: HostileTLSContext(version: TLS1_2_VERSION)
            case .tls13: HostileTLSContext(version: TLS1_3_VERSION)
            }
        }
    }

    /// What a client meets at the port.
    enum Door: Sendable {
        case open
        /// The connection ends in this way before TLS.
        case ends(HostileEnding)
        /// These bytes are sent before TLS; then the connection ends.
        case says([UInt8])
        /// Nothing happens until the client gives up.
        case silent
    }

    let transport: Transport
    let port: Int
    let ledger = HostileLedger()
    private let listener: CInt
    private let context: HostileTLSContext?
    private let script: @Sendable (HostileRequest) -> HostileScript
    private let door: @Sendable (Int) -> Door
    /// The descriptors of open connections, and the number of running threads.
    private let state = Mutex((connections: Set<CInt>(), threads: 0, isStopped: false))

    /// - Parameters:
    ///   - door: What the connection with this number meets, counted from 1.
    ///   - script: The script for a request. Called on the upstream's threads.
    init(
        _ transport: Transport = .plain, door: @escaping @Sendable (Int) -> Door = { _ in .open },
        script: @escaping @Sendable (HostileRequest) -> HostileScript
    ) {
        self.transport = transport
        self.script = script
        self.door = door
        context = transport.context
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        port = Int(UInt16(bigEndian: bindToLoopback(listener).sin_port))
        precondition(listen(listener, 1024) == 0)
        start { $0.accept() }
    }

    func url(_ path: String) -> String { "\(transport == .plain ? "http" : "https")://127.0.0.1:\(port)\(path)" }

    /// Ends all connections, and waits until the threads have ended. Returns whether they did, within 10 seconds.
    func stop() -> Bool {
        state.withLock { state in
            state.isStopped = true
            for connection in state.connections { shutdown(connection, CInt(SHUT_RDWR)) }
        }
        shutdown(listener, CInt(SHUT_RDWR))
        for _ in 0..<5000 {
            if state.withLock({ $0.threads == 0 }) { return true }
            usleep(2000)
        }
        return false
    }

    private func accept() {
        defer { close(listener) }
        while true {
            let fd = Glibc.accept(listener, nil, nil)
            if fd < 0, errno == EINTR || errno == ECONNABORTED { continue }
            guard fd >= 0 else { return }
            _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
            let isStopped = state.withLock { state in
                if !state.isStopped { state.connections.insert(fd) }
                return state.isStopped
            }
            guard !isStopped else {
                close(fd)
                return
            }
            var number = 0
            ledger.count {
                $0.accepted += 1
                $0.open += 1
                number = $0.accepted
            }
            start { [number] in $0.serve(fd, number: number) }
        }
    }

    private func serve(_ fd: CInt, number: Int) {
        let wire = HostileWire(fd, tls: context)
        switch door(number) {
        case .open: HostileConnection(wire, ledger, script).run()
        case .ends(let ending): wire.endTransport(ending)
        case .says(let bytes):
            try? wire.sendBeforeTLS(bytes)
            wire.endTransport(.cut)
            wire.awaitEnd(within: 1000)
        case .silent: wire.awaitEnd(within: 5000)
        }
        // Before another descriptor can get this number.
        _ = state.withLock { $0.connections.remove(fd) }
        ledger.count { $0.open -= 1 }
    }

    /// Runs `body` on a new thread. A thread keeps the upstream alive.
    private func start(_ body: @escaping @Sendable (HostileUpstream) -> Void) {
        state.withLock { $0.threads += 1 }
        startThread { [self] in
            body(self)
            state.withLock { $0.threads -= 1 }
        }
    }
}

/// Runs `body` on a new OS thread with a small stack, detached.
private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 512 * 1024)
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let failed = pthread_create(
        &thread, &attributes,
        { context in
            Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Work(body)).toOpaque())
    precondition(failed == 0)
}
