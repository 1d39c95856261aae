internal import Glibc
internal import Testing

@testable internal import Tandem

// @unchecked: nothing changes after `init`.
/// A program that runs beside a test, with a socket as its standard input and output.
final class Program: @unchecked Sendable {
    let io: UnixStream
    private let child: pid_t

    convenience init(_ arguments: String...) throws { try self.init(arguments) }

    init(_ arguments: [String]) throws {
        var ends: [CInt] = [-1, -1]
        precondition(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for fd: CInt in 0...2 { posix_spawn_file_actions_adddup2(&actions, ends[1], fd) }
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var child: pid_t = 0
        let failed = posix_spawnp(&child, arguments[0], &actions, nil, &argv, environ)
        Glibc.close(ends[1])
        precondition(failed == 0, "\(arguments[0]): errno \(failed)")
        self.child = child
        io = UnixStream(try Descriptor(adopting: ends[0]), peer: .unnamed)
    }

    /// Reads lines until one begins with `prefix`. Returns the rest of that line.
    func line(after prefix: String) async throws -> String {
        while let line = try await io.readLine(deadline: .after(.seconds(10))) {
            if line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
        }
        Issue.record("no line begins with \(prefix)")
        throw CancellationError()
    }

    func end() {
        kill(child, SIGKILL)
        waitpid(child, nil, 0)
        io.close()
    }
}

/// Two connected streams with small buffers in the kernel.
func smallPair() throws -> (UnixStream, UnixStream) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    precondition(socketpair(AF_UNIX, type, 0, &ends) == 0)
    var size: CInt = 4_096
    for end in ends { setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<CInt>.size)) }
    let streams = try ends.map { UnixStream(try Descriptor(adopting: $0), peer: .unnamed) }
    return (streams[0], streams[1])
}
