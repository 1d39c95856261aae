internal import CTandem
internal import Glibc
internal import Tandem

/// What the process is told by signals, one after the other, as something to wait for.
struct Signals {
    /// The signals that are taken over.
    static let handled = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]

    private let fd: CInt

    /// Takes the signals over from the whole process. To be called before any thread is started: threads inherit what is
    /// blocked.
    init() throws(TandemError) {
        fd = tandem_signalfd(Self.handled, CInt(Self.handled.count))
        guard fd >= 0 else { throw TandemError(.systemCall, "signalfd: \(String(cString: strerror(-fd)))", errno: -fd) }
    }

    /// Calls `handler` with each signal that arrives, until the task is cancelled. On a hub.
    func forEach(_ handler: (CInt) -> Void) async throws {
        let descriptor = try Descriptor(adopting: fd)
        defer { descriptor.close() }
        // struct signalfd_siginfo; the number of the signal comes first.
        let information = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 8)
        defer { information.deallocate() }
        while true {
            try await descriptor.wait(for: .readable)
            guard try descriptor.readAvailable(into: information) == information.count else { continue }
            handler(information.load(as: CInt.self))
        }
    }
}
