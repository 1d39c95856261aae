import Glibc
import HTTPTypes
import TandemFetch

/// The server of `upstream.py`, a process that lives as long as this value.
final class Upstream: Sendable {
    let port: Int
    private let process: pid_t
    private let control: CInt

    /// The upstream of all tests that do not use counts. It ends with the test process.
    static let shared = Upstream()

    /// A self-signed certificate for 127.0.0.1 with its key.
    static let certificate = file("tls.pem")

    /// - Parameters:
    ///   - tls: Whether the server uses TLS, with `certificate`.
    ///   - demands: "clients" to require client certificates, "1.2" to offer TLS 1.2 at most.
    init(tls: Bool = false, demands: String? = nil) {
        // One socket for the server's input and output. Other processes that a test starts do not inherit it.
        var ends: [CInt] = [0, 0]
        precondition(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var process: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [
            strdup("python3"), strdup(Upstream.file("upstream.py")), tls ? strdup(Upstream.certificate) : nil,
            demands.map { strdup($0) }, nil,
        ]
        let failed = posix_spawnp(&process, "python3", &actions, nil, &arguments, environ)
        precondition(failed == 0, "python3 is needed for these tests: \(String(cString: strerror(failed)))")
        for argument in arguments { free(argument) }
        posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        self.process = process
        control = ends[0]
        port = Upstream.readNumber(control)
    }

    deinit {
        // The server ends with its input, and all requests with it.
        close(control)
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    func url(_ path: String, scheme: String = "http") -> String { "\(scheme)://127.0.0.1:\(port)\(path)" }

    /// A count of the server: accepted (connections), requests (including this one), disconnects (of clients it was
    /// still serving).
    func count(_ name: String) async throws -> Int {
        let answer = try await FetchClient().get(url("/counts"))
        return answer.headers.first { $0.name.rawName == name }.flatMap { Int($0.value) } ?? -1
    }

    private static func readNumber(_ fd: CInt) -> Int {
        var number = 0
        var byte: UInt8 = 0
        while read(fd, &byte, 1) == 1, byte != 0x0a { number = number * 10 + Int(byte - 0x30) }
        precondition(number > 0, "upstream.py did not start")
        return number
    }

    static func file(_ name: String, here: StaticString = #filePath) -> String {
        let here = "\(here)"
        return here[...here.lastIndex(of: "/")!] + name
    }
}
