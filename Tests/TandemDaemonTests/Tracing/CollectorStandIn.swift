import Foundation
import Synchronization
import Tandem

/// A stand-in for an OpenTelemetry collector, on a port of its own and the hub that creates it. It answers or misbehaves as its
/// script says.
final class CollectorStandIn: Sendable {
    /// The reaction to one request, or to one connection.
    enum Reaction: Sendable, Equatable {
        /// Reads the request and sends these bytes.
        case sends(String)
        /// Reads the request, sends these bytes and closes.
        case sendsAndCloses(String)
        /// Accepts the connection and closes it.
        case closes
        /// Reads the request and never answers.
        case hangs

        static func answers(_ status: String, _ body: String = "{}", _ fields: String = "") -> Reaction {
            .sends("HTTP/1.1 \(status)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }

        static let accepts = answers("200 OK")
    }

    struct Request: Sendable {
        let head: String
        let body: [UInt8]
        let at: ContinuousClock.Instant
    }

    private struct State {
        var script: [Reaction]
        var requests: [Request] = []
        var active = 0
        var mostActive = 0
    }

    let port: Int
    private let listener: TCPListener
    private let state: Mutex<State>

    /// Starts the stand-in. The last reaction of the script repeats. Must be called on a hub, which must outlive it.
    init(_ script: Reaction...) throws {
        listener = try TCPListener(host: "127.0.0.1", port: 0)
        port = Int(listener.local.port)
        state = Mutex(State(script: script))
        let hub = Hub.current!
        hub.spawn { [self] in
            defer { listener.close() }
            while true {
                let stream = try await listener.accept()
                hub.spawn { [self] in
                    defer { stream.close() }
                    try await serve(stream)
                }
            }
        }
    }

    var requests: [Request] { state.withLock { $0.requests } }
    /// The maximum number of requests that were under way at once.
    var mostActive: Int { state.withLock { $0.mostActive } }

    /// Replaces the script.
    func react(_ script: Reaction...) { state.withLock { $0.script = script } }

    private func reaction(isConnection: Bool) -> Reaction {
        state.withLock { state in
            if isConnection, state.script[0] != .closes { return state.script[0] }
            return state.script.count > 1 ? state.script.removeFirst() : state.script[0]
        }
    }

    private func serve(_ stream: TCPStream) async throws {
        if reaction(isConnection: true) == .closes { return }
        while let first = try await stream.readLine() {
            state.withLock { state in
                state.active += 1
                state.mostActive = max(state.mostActive, state.active)
            }
            defer { state.withLock { $0.active -= 1 } }
            var (head, length) = (first + "\n", 0)
            while let line = try await stream.readLine(), !line.isEmpty {
                head += line + "\n"
                if line.lowercased().hasPrefix("content-length:") { length = Int(line.dropFirst(15).filter(\.isNumber))! }
            }
            let body = length > 0 ? try await stream.readExactly(length) : []
            state.withLock { $0.requests.append(Request(head: head, body: body, at: .now)) }
            switch reaction(isConnection: false) {
            case .sends(let text): try await stream.write(text)
            case .sendsAndCloses(let text): return try await stream.write(text)
            case .closes: return
            case .hangs: try await sleep(for: .seconds(1_000))
            }
        }
    }
}

/// Runs `body` on a new hub on a new thread.
func onNewHub<Success: Sendable>(_ body: @escaping @Sendable (Hub) async throws -> Success) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try Hub.run { try await body(Hub.current!) } })
        }
    }
}

/// Waits until the condition holds. The time limit of the test ends the wait otherwise.
func until(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) { try await sleep(for: .milliseconds(2)) }
}
