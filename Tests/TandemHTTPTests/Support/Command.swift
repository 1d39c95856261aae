import Glibc

/// The result of a program that has ended.
struct CommandResult {
    var status: CInt
    var output: [UInt8]
    var errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
    /// The output and the errors, as on a terminal.
    var all: String { text + errors }
}

/// Runs a program with `input`, and blocks this OS thread until it ends. Kills it after `seconds`. The program starts with the
/// default handling of signals.
func run(_ arguments: String..., input: String = "", seconds: Int = 20) throws -> CommandResult {
    let (toChild, fromChild, errors) = (try Pipe(), try Pipe(), try Pipe())
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toChild.reading, 0)
    posix_spawn_file_actions_adddup2(&actions, fromChild.writing, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Swift's threads block nearly all signals, and a child inherits that.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var child: pid_t = 0
    let failed = posix_spawnp(&child, arguments[0], &actions, &attributes, &argv, environ)
    guard failed == 0 else { throw SystemCallError(call: "posix_spawnp \(arguments[0])", code: failed) }
    toChild.closeReading()
    fromChild.closeWriting()
    errors.closeWriting()
    let bytes = Array(input.utf8)
    var written = 0
    let deadline = ContinuousClock.now + .seconds(seconds)
    var result = CommandResult(status: 0, output: [], errors: "")
    var said: [UInt8] = []
    if bytes.isEmpty { toChild.closeWriting() }
    // Reads and writes in turn, so that neither side waits for the other.
    while fromChild.reading >= 0 || errors.reading >= 0 {
        var polled = [
            pollfd(fd: fromChild.reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors.reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: toChild.writing, events: Int16(POLLOUT), revents: 0),
        ]
        poll(&polled, 3, 100)
        if ContinuousClock.now > deadline { kill(child, SIGKILL) }
        if polled[0].revents != 0, !fromChild.read(into: &result.output) { fromChild.closeReading() }
        if polled[1].revents != 0, !errors.read(into: &said) { errors.closeReading() }
        if polled[2].revents != 0 {
            let put = bytes[written...].withUnsafeBytes { write(toChild.writing, $0.baseAddress, min($0.count, 4096)) }
            written += max(0, put)
            if put <= 0 || written == bytes.count { toChild.closeWriting() }
        }
    }
    toChild.closeWriting()
    var status: CInt = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    result.status = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    result.errors = String(decoding: said, as: UTF8.self)
    return result
}

private final class Pipe {
    private(set) var reading: CInt = -1
    private(set) var writing: CInt = -1

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemCallError(call: "pipe", code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        closeReading()
        closeWriting()
    }

    func closeReading() {
        if reading >= 0 { close(reading) }
        reading = -1
    }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    /// False at the end.
    func read(into bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let got = Glibc.read(reading, &buffer, buffer.count)
        if got > 0 { bytes += buffer[..<got] }
        return got > 0
    }
}
