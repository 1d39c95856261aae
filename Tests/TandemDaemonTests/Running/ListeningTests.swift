import Foundation
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The listeners of tandemd, as other programs reach them.
@Suite(.timeLimit(.minutes(1)))
struct ListeningTests {
    private let directory = TemporaryDirectory()
    private var socket: String { directory.path + "/http.sock" }

    private static let greeting = "Hello, World!"

    private func curl(_ arguments: String...) async throws -> String { try await Program.run("curl", ["-s"] + arguments).text }

    @Test func `plain, TLS and unix listeners work side by side`() async throws {
        let files = TLSConfiguration.with([.localhost], in: directory).certificates[0]
        let authority = directory.write("authority.crt", TestCertificate.authority.certificateText)
        let environment = [
            "TANDEM_HTTP_LISTEN": "127.0.0.1:0, 127.0.0.1:0 tls, unix:\(socket) mode=600", "TANDEM_HTTP_HUBS": "2",
            "TANDEM_TLS_CERTIFICATES": "\(files.chain) \(files.key)",
        ]
        let daemon = try Daemon(["serve"], environment: environment)
        try await daemon.awaitError("with 2 hubs")
        let line = try #require(
            daemon.errors.firstMatch(
                of: /listening on http:\/\/127.0.0.1:([0-9]+), https:\/\/127.0.0.1:([0-9]+), unix:([^ ]+) with 2 hubs/))
        #expect(line.3 == socket)
        #expect(try await curl("http://127.0.0.1:\(line.1)/async/plaintext") == Self.greeting)
        let tls = "https://localhost:\(line.2)/blocking/plaintext"
        #expect(try await curl("--cacert", authority, "--resolve", "localhost:\(line.2):127.0.0.1", tls) == Self.greeting)
        #expect(try await curl("--unix-socket", socket, "http://localhost/async/plaintext") == Self.greeting)

        // A killed daemon leaves the socket's file, which must not prevent the next start.
        daemon.send(SIGKILL)
        _ = try await daemon.wait()
        #expect(FileManager.default.fileExists(atPath: socket))
        let second = try Daemon(["serve"], environment: environment)
        try await second.awaitError("with 2 hubs")
        #expect(try await curl("--unix-socket", socket, "http://localhost/async/plaintext") == Self.greeting)
        second.send(SIGTERM)
        #expect(try await second.wait() == 0)
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    /// A program that runs its arguments with sockets as systemd would pass them: a TCP port, a unix socket, a datagram socket,
    /// and a TCP socket that does not listen. Foundation takes a descriptor that the program inherits for its sign of life, so each
    /// that makes way for the sockets gets another number.
    private static let launcher = """
        import fcntl, os, socket, sys
        tcp, unix, datagrams = socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0)); tcp.listen()
        unix.bind(sys.argv[1]); unix.listen()
        silent = socket.socket(); silent.bind(("127.0.0.1", 0))
        with open(sys.argv[1] + ".port", "w") as file: file.write(str(tcp.getsockname()[1]))
        sockets = [fcntl.fcntl(passed.detach(), fcntl.F_DUPFD_CLOEXEC, 100) for passed in [tcp, unix, datagrams, silent]]
        for number, passed in enumerate(sockets, 3):
            try: os.set_inheritable(fcntl.fcntl(number, fcntl.F_DUPFD, 100), os.get_inheritable(number))
            except OSError: pass
            os.dup2(passed, number)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="4", LISTEN_FDNAMES="http:local:datagrams:silent")
        os.execv(sys.argv[2], sys.argv[2:])
        """

    private func start(_ listen: String, hubs: Int = 1) throws -> Daemon {
        try Daemon(
            ["serve"], environment: ["TANDEM_HTTP_LISTEN": listen, "TANDEM_HTTP_HUBS": "\(hubs)"],
            through: ["/usr/bin/python3", "-c", Self.launcher, socket])
    }

    @Test(arguments: [1, 2]) func `sockets that systemd passes are served`(hubs: Int) async throws {
        let daemon = try start("systemd:local,systemd:http", hubs: hubs)
        try await daemon.awaitError("listening on systemd:local, systemd:http with \(hubs) hub")
        let port = try String(contentsOfFile: socket + ".port", encoding: .utf8)
        for _ in 0..<4 {
            #expect(try await curl("http://127.0.0.1:\(port)/async/plaintext") == Self.greeting)
            #expect(try await curl("--unix-socket", socket, "http://localhost/async/plaintext") == Self.greeting)
        }
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        // The file belongs to systemd.
        #expect(FileManager.default.fileExists(atPath: socket))
    }

    @Test func `a socket that was not passed or has the wrong kind is reported`() async throws {
        let missing = try start("systemd:https")
        #expect(try await missing.wait() == 1)
        #expect(
            missing.errors.contains(
                "cannot listen on systemd:https: no socket with that name was passed to this process. Sockets passed: http, local, datagrams, silent."
            ),
            "\(missing.errors)")
        for (number, name) in [(5, "datagrams"), (6, "silent")] {
            try? FileManager.default.removeItem(atPath: socket)
            let wrong = try start("systemd:\(name)")
            #expect(try await wrong.wait() == 1)
            let message = "cannot listen on systemd:\(name): file descriptor \(number) is not a listening stream socket."
            #expect(wrong.errors.contains(message), "\(wrong.errors)")
        }
        let none = try Daemon(["serve"], environment: ["TANDEM_HTTP_LISTEN": "systemd:http"])
        #expect(try await none.wait() == 1)
        #expect(none.errors.contains("No sockets were passed: did its socket unit start it?"), "\(none.errors)")
    }

    @Test(arguments: [("serve", 1), ("check-config", 78)] as [(String, Int32)])
    func `a missing certificate is reported`(command: String, status: Int32) async throws {
        let daemon = try Daemon(
            [command],
            environment: ["TANDEM_HTTP_LISTEN": "127.0.0.1:0 tls", "TANDEM_TLS_CERTIFICATES": "/nowhere/crt /nowhere/key"])
        #expect(try await daemon.wait() == status)
        #expect(daemon.errors.contains("/nowhere/crt does not exist"), "\(daemon.errors)")
    }
}
