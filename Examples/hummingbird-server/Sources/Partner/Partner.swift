import Synchronization
import Tandem

/// The upstream: answers lines "RATE CHF" and "MARGIN CHF" with "OK 93" or "UNKNOWN", each after a wait. It can hold the answers,
/// and it counts.
public final class Partner: Sendable {
    /// The port, on 127.0.0.1.
    public let port: UInt16
    private let group: HubGroup
    private let listener: TCPListener
    private let wait: Duration
    private let state = Mutex(State())

    /// The counters.
    public struct Counts: Sendable {
        /// The requests so far.
        public var requests = 0
        /// The requests that wait for their answer now.
        public var waiting = 0
        /// The most requests that waited for their answer at the same time.
        public var highWater = 0
        /// The requests whose client closed the connection before the answer.
        public var left = 0
    }

    private struct State {
        var counts = Counts()
        /// The word with which the requests to hold begin; nil while none are held.
        var holding: String?
        /// The requests that are held, in order of arrival, by their numbers.
        var held: [(number: Int, gate: Event<Void>)] = []
    }

    private static let rates = ["CHF": 93, "EUR": 100, "GBP": 84]

    /// Starts a partner on a hub of its own.
    ///
    /// - Parameters:
    ///   - port: The port; 0 for a free one.
    ///   - wait: The time that each answer takes.
    public init(port: UInt16 = 0, wait: Duration = .zero) async throws {
        group = try HubGroup(count: 1)
        self.wait = wait
        listener = try await group.hubs[0].spawn { try TCPListener(port: port) }.value
        self.port = listener.local.port
        group.hubs[0].spawn { [self] in
            while true {
                let stream = try await listener.accept()
                spawn { try await self.serve(stream) }
            }
        }
    }

    /// The counters at this moment.
    public var counts: Counts { state.withLock { $0.counts } }

    /// Holds the answers from now on, to all requests or to those that begin with a word.
    public func hold(_ word: String = "") { state.withLock { $0.holding = word } }

    /// Sends the answer that is held longest.
    public func releaseOne() { state.withLock { $0.held.isEmpty ? nil : $0.held.removeFirst() }?.gate.send(()) }

    /// Sends all answers that are held, and holds no more.
    public func release() {
        let held = state.withLock { state in
            defer { (state.holding, state.held) = (nil, []) }
            return state.held
        }
        for (_, gate) in held { gate.send(()) }
    }

    /// Waits until the counters fulfil a condition.
    public func wait(until condition: @Sendable (Counts) -> Bool) async throws {
        while !condition(counts) { try await Task.sleep(for: .milliseconds(2)) }
    }

    /// Closes all sockets.
    public func stop() async {
        _ = await group.hubs[0].spawn { [self] in listener.close() }.result
        await group.shutdown()
    }

    private func serve(_ stream: TCPStream) async throws {
        defer { stream.close() }
        while let line = try await stream.readLine(limit: 1_000) {
            let (number, gate) = begin(line)
            let isThere = try await isThere(stream, after: gate)
            end(number, isThere: isThere)
            guard isThere else { return }
            try await stream.write(answer(to: line))
        }
    }

    /// Waits until the answer is due. Returns false if the client closes the connection before.
    private func isThere(_ stream: TCPStream, after gate: Event<Void>?) async throws -> Bool {
        if gate == nil, wait == .zero { return true }
        return try await withThrowingTaskGroup { group in
            group.addTask { [wait] in
                if let gate { try await gate.wait() } else { try await sleep(for: wait) }
                return true
            }
            // A client sends nothing before it has its answer.
            group.addTask { try await stream.read(atMost: 1) != nil }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    private func begin(_ line: String) -> (number: Int, gate: Event<Void>?) {
        state.withLock { state in
            state.counts.requests += 1
            state.counts.waiting += 1
            state.counts.highWater = max(state.counts.highWater, state.counts.waiting)
            guard let word = state.holding, line.hasPrefix(word) else { return (state.counts.requests, nil) }
            let gate = Event<Void>()
            state.held.append((state.counts.requests, gate))
            return (state.counts.requests, gate)
        }
    }

    private func end(_ number: Int, isThere: Bool) {
        state.withLock { state in
            state.counts.waiting -= 1
            guard !isThere else { return }
            state.counts.left += 1
            state.held.removeAll { $0.number == number }
        }
    }

    private func answer(to line: String) -> String {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 2, let rate = Self.rates[words[1]] else { return "UNKNOWN\n" }
        return words[0] == "MARGIN" ? "OK 2\n" : "OK \(rate)\n"
    }
}
