internal import Glibc

/// A race of connections to the addresses of one host, RFC 8305 ("Happy Eyeballs"). Used once, on one hub, by one task.
///
/// The attempts start in the order of the addresses, interleaved by family: the next one when the latest has had 250 ms, or as soon
/// as one fails. The first connection that is established wins, and the race closes the others.
final class ConnectRace {
    /// The head start of an attempt: the Connection Attempt Delay that RFC 8305 section 5 recommends.
    private static let headStart = Duration.milliseconds(250)

    private final class Attempt {
        let endpoint: SocketEndpoint
        let descriptor: Descriptor
        /// Whether the kernel has reported something that `race` has not looked at.
        var hasNews = true

        init(_ endpoint: SocketEndpoint, _ descriptor: Descriptor) {
            (self.endpoint, self.descriptor) = (endpoint, descriptor)
        }
    }

    /// The host and port, for messages.
    private let target: String
    private var untried: ArraySlice<SocketEndpoint>
    private var attempts: [Attempt] = []
    private var failures: [(endpoint: SocketEndpoint, error: TandemError)] = []
    private let progress = Parker(for: "connect")

    /// Creates a race that has not begun.
    ///
    /// - Parameters:
    ///   - endpoints: The addresses, the preferred one first.
    ///   - target: The host and port, for messages.
    init(to endpoints: [SocketEndpoint], target: String) {
        untried = ConnectRace.interleaved(endpoints)[...]
        self.target = target
    }

    /// Returns the endpoints in the order in which to try them: the families in turn, that of the first endpoint first, and the
    /// endpoints of a family in their order (RFC 8305 section 4, with a First Address Family Count of 1).
    static func interleaved(_ endpoints: [SocketEndpoint]) -> [SocketEndpoint] {
        func isV4(_ endpoint: SocketEndpoint) -> Bool { if case .v4 = endpoint.address { true } else { false } }
        guard let first = endpoints.first else { return [] }
        let preferred = endpoints.filter { isV4($0) == isV4(first) }
        let others = endpoints.filter { isV4($0) != isV4(first) }
        return (0..<max(preferred.count, others.count)).flatMap { preferred[$0...].prefix(1) + others.dropFirst($0).prefix(1) }
    }

    /// Runs the race and returns the winner, which the caller must close.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `cannotConnect` if every attempt has failed, `timedOut`. The messages name each
    ///   address that was tried, with its reason.
    func run(deadline: Deadline) async throws -> (SocketEndpoint, Descriptor) {
        defer { for attempt in attempts { attempt.descriptor.close() } }
        let deadline = deadline.onThisClock
        var next = Deadline.after(.zero)
        while true {
            if let winner = takeWinner(failed: &next) { return (winner.endpoint, winner.descriptor) }
            if attempts.isEmpty, untried.isEmpty { throw failure() }
            if !untried.isEmpty, next <= .after(.zero) {
                start(untried.removeFirst())
                next = .after(ConnectRace.headStart)
                // It may have failed or succeeded at once.
                continue
            }
            do {
                try await progress.park(deadline: untried.isEmpty ? deadline : min(deadline, next))
            } catch let error as TandemError where error.code == .timedOut {
                // The clock is exact, and the wait may end a little later: it is over for both.
                if deadline <= .after(.zero) { throw timedOut() }
            }
        }
    }

    /// Looks at the attempts with news. Removes and returns the first one that is connected, and removes those that have failed;
    /// then the next attempt starts now.
    private func takeWinner(failed next: inout Deadline) -> Attempt? {
        for attempt in attempts where attempt.hasNews {
            attempt.hasNews = false
            do throws(TandemError) {
                if try attempt.descriptor.isConnected() {
                    guard !attempt.descriptor.isConnectedToItself else { throw .systemCall("connect", ECONNREFUSED) }
                    attempts.removeAll { $0 === attempt }
                    return attempt
                }
                attempt.descriptor.whenWritable { [progress, weak attempt] in
                    attempt?.hasNews = true
                    progress.unpark()
                }
            } catch {
                attempts.removeAll { $0 === attempt }
                attempt.descriptor.close()
                failures.append((attempt.endpoint, error))
                next = .after(.zero)
            }
        }
        return nil
    }

    private func start(_ endpoint: SocketEndpoint) {
        do throws(TandemError) {
            attempts.append(Attempt(endpoint, try ConnectRace.connecting(to: endpoint)))
        } catch {
            failures.append((endpoint, error))
        }
    }

    /// Returns a socket that is being connected.
    private static func connecting(to endpoint: SocketEndpoint) throws(TandemError) -> Descriptor {
        let address = SocketAddress.ip(endpoint)
        let fd = address.makeStreamSocket()
        guard fd >= 0 else { throw .systemCall("socket", errno) }
        TCPStream.sendWithoutDelay(fd)
        guard address.withSockaddr({ connect(fd, $0, $1) }) == 0 || errno == EINPROGRESS else {
            let error = errno
            close(fd)
            throw .systemCall("connect", error)
        }
        return try Descriptor.adopt(connecting: fd)
    }

    // MARK: Errors

    private func failure() -> TandemError {
        let reasons = failures.map { "\($0.endpoint): \($0.error.message)" }
        return TandemError(
            .cannotConnect, "cannot connect to \(target): \(reasons.joined(separator: "; "))",
            errno: failures.last?.error.errno ?? 0)
    }

    private func timedOut() -> TandemError {
        let reasons = failures.map { "\($0.endpoint): \($0.error.message)" }
        let silent = attempts.map { "\($0.endpoint): no answer" }
        return TandemError(
            .timedOut, "the deadline passed while connecting to \(target): \((reasons + silent).joined(separator: "; "))",
            errno: failures.last?.error.errno ?? 0)
    }
}
