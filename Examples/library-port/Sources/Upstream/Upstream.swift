internal import Foundation
internal import Glibc
internal import Synchronization

/// A registry on a port of 127.0.0.1, which follows a script and counts its requests.
public final class Upstream: Sendable {
    /// What the registry does for one request.
    public struct Step: Encodable, Sendable {
        var status = 200
        var headers: [String: String] = [:]
        var body = ""
        var hold = false
        var delay = 0.0
        var cut = false
        var drop = false

        /// Answers with this status, these fields and this body.
        public static func answer(_ status: Int = 200, _ headers: [String: String] = [:], _ body: String = "") -> Step {
            Step(status: status, headers: headers, body: body)
        }

        /// Closes the connection without an answer.
        public static var drop: Step { Step(drop: true) }

        /// The same step after `release`.
        public var held: Step { with { $0.hold = true } }

        /// The same step, with the connection closed after half of the body.
        public var truncated: Step { with { $0.cut = true } }

        /// The same step after a number of seconds.
        public func after(_ seconds: Double) -> Step { with { $0.delay = seconds } }

        private func with(_ change: (inout Step) -> Void) -> Step {
            var step = self
            change(&step)
            return step
        }
    }

    /// What a registry has seen.
    public struct Log: Decodable, Sendable {
        /// A request.
        public struct Request: Decodable, Sendable {
            /// Its path.
            public var path: String
            /// Its `If-None-Match`.
            public var etag: String?
        }

        /// The requests, in the order of their arrival.
        public var requests: [Request]
        /// The number of requests that wait for `release`.
        public var held: Int
        /// The maximum number of requests that were without an answer at the same time.
        public var peak: Int
        /// The number of clients that closed the connection while their request was held.
        public var disconnects: Int
    }

    /// The URL of the registry.
    public var url: String { "http://127.0.0.1:\(port)" }
    /// What the registry has seen so far.
    public var log: Log { Process.shared.run(Command("log", port: port)).log! }

    private let port: Int

    /// Starts a registry that follows `script`: the steps of each path, of which the last one repeats.
    public init(_ script: [String: [Step]]) {
        port = Process.shared.run(Command("open", script: script)).port!
    }

    /// Lets the held requests go on, and all later ones.
    public func release() { _ = Process.shared.run(Command("release", port: port)) }

    /// Closes the port and all connections.
    public func close() { _ = Process.shared.run(Command("close", port: port)) }
}

private struct Command: Encodable {
    var `do`: String
    var port: Int?
    var script: [String: [Upstream.Step]]?

    init(_ name: String, port: Int? = nil, script: [String: [Upstream.Step]]? = nil) {
        self.do = name
        self.port = port
        self.script = script
    }
}

private struct Reply: Decodable {
    var port: Int?
    var log: Upstream.Log?
}

/// The process of `upstream.py`, which ends with its standard input and so with this process.
private final class Process: Sendable {
    static let shared = Process()

    private let control: Mutex<CInt>

    init() {
        var ends: [CInt] = [0, 0]
        precondition(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let program = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "upstream.py").path
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("python3"), strdup(program), nil]
        var process: pid_t = 0
        let failed = posix_spawnp(&process, "python3", &actions, nil, &arguments, environ)
        precondition(failed == 0, "python3 is needed: \(String(cString: strerror(failed)))")
        for argument in arguments { free(argument) }
        posix_spawn_file_actions_destroy(&actions)
        Glibc.close(ends[1])
        control = Mutex(ends[0])
    }

    func run(_ command: Command) -> Reply {
        control.withLock { control in
            do {
                var line = try JSONEncoder().encode(command)
                line.append(UInt8(ascii: "\n"))
                let sent = line.withUnsafeBytes { send(control, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
                precondition(sent == line.count, "the upstream does not read its commands")
                var reply: [UInt8] = []
                var piece = [UInt8](repeating: 0, count: 65_536)
                while reply.last != UInt8(ascii: "\n") {
                    let count = recv(control, &piece, piece.count, 0)
                    precondition(count > 0, "the upstream does not answer")
                    reply += piece[..<count]
                }
                return try JSONDecoder().decode(Reply.self, from: Data(reply))
            } catch {
                preconditionFailure("the upstream does not understand: \(error)")
            }
        }
    }
}
