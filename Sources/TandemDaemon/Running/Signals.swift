internal import CTandem
internal import Glibc
internal import Tandem

/// The signals of the process, read one at a time from a signalfd(2).
struct Signals {
    /// The signals that the daemon handles.
    static let handled = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]

    private let fd: CInt

    /// Blocks the signals and opens the signalfd. Must be called before any thread starts, because threads inherit the mask of
    /// blocked signals.
    init() throws(TandemError) {
        fd = tandem_signalfd(Self.handled, CInt(Self.handled.count))
        guard fd >= 0 else { throw TandemError(.systemCall, "signalfd: \(String(cString: strerror(-fd)))", errno: -fd) }
    }

    /// Calls `handler` with each signal that arrives, until the task is cancelled. Must be called on a hub.
    func forEach(_ handler: (CInt) -> Void) async throws {
        let descriptor = try Descriptor(adopting: fd)
        defer { descriptor.close() }
        // The size of struct signalfd_siginfo, which begins with the signal's number.
        let information = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 8)
        defer { information.deallocate() }
        while true {
            try await descriptor.wait(for: .readable)
            guard try descriptor.readAvailable(into: information) == information.count else { continue }
            handler(information.load(as: CInt.self))
        }
    }
}
