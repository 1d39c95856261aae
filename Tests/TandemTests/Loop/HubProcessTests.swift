internal import Glibc
internal import Testing

@testable import Tandem

/// A hub and its process: signals, stops, child processes, bad file descriptors.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubProcessTests {
    /// Starts a shell with `script`. Its output can be read from the returned non-blocking file descriptor.
    static func shell(_ script: String) -> (process: pid_t, output: CInt) {
        var pipe: [CInt] = [-1, -1]
        precondition(Glibc.pipe(&pipe) == 0)
        for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(pipe[0], F_SETFL, O_NONBLOCK)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
        let words: [String] = ["/bin/sh", "-c", script]
        var arguments = words.map { strdup($0) } + [nil]
        var process = pid_t()
        let failed = posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ)
        precondition(failed == 0, "posix_spawn: errno \(failed)")
        posix_spawn_file_actions_destroy(&actions)
        for argument in arguments { free(argument) }
        close(pipe[1])
        return (process, pipe[0])
    }

    static func output(of script: String) async throws -> String {
        let (process, output) = shell(script)
        let descriptor = try Descriptor(adopting: output)
        defer {
            descriptor.close()
            waitpid(process, nil, 0)
        }
        var text = ""
        while true {
            let more = try await descriptor.receive()
            if more.isEmpty { return text }
            text += more
        }
    }

    /// Runs in a separate process, which is stopped as a whole.
    @Test func `timers, descriptors and other threads survive a stop and continue of the process`() async {
        await #expect(processExitsWith: .exitCode(3)) {
            try await onThread {
                try Hub.run {
                    let (a, b) = try descriptorPair()
                    defer {
                        a.close()
                        b.close()
                    }
                    let reader = GreenThread { [b = Loan(b)] in try b.value.receive() }
                    let sleeper = GreenThread { try sleep(for: .milliseconds(50)) }
                    let thread = GreenThread { try offload { _ = usleep(50_000) } }
                    let said = try await HubProcessTests.output(
                        of:
                            "for i in 1 2 3; do kill -STOP \(getpid()); sleep 0.03; kill -CONT \(getpid()); sleep 0.01; done; echo done"
                    )
                    try await sleeper.wait()
                    try await thread.wait()
                    try a.send("through")
                    guard said == "done\n", try await reader.wait() == "through" else { exit(4) }
                }
                exit(3)
            }
        }
    }

    /// Runs in a separate process, which is stopped as a whole until the deadline of its read has passed.
    @Test func `bytes that arrived while the process was stopped are read although the deadline has passed`() async {
        await #expect(processExitsWith: .exitCode(3)) {
            try await onThread {
                for (poller, isBlocking) in [(PollerKind.epoll, false), (.epoll, true), (.poll, false), (.poll, true)] {
                    var configuration = HubConfiguration()
                    configuration.poller = poller
                    try Hub.run(configuration) {
                        let id = getpid()
                        let (process, output) = HubProcessTests.shell(
                            "echo ready; sleep 0.05; kill -STOP \(id); sleep 0.05; echo in time; sleep 0.7; kill -CONT \(id)")
                        let descriptor = try Descriptor(adopting: output)
                        let ready = try await descriptor.receive()
                        let deadline = Deadline.after(.milliseconds(600))
                        let text =
                            isBlocking
                            ? try await blocking { try descriptor.receive(deadline: deadline) }
                            : try await descriptor.receive(deadline: deadline)
                        guard ready == "ready\n", text == "in time\n", deadline.remaining == .zero else { exit(4) }
                        descriptor.close()
                        waitpid(process, nil, 0)
                    }
                }
                exit(3)
            }
        }
    }

    /// A child that inherited a hub's epoll would share it with its parent. Runs in a separate process, where no other code
    /// opens anything.
    @Test(.enabled(if: !Sanitizer.thread, "the thread sanitizer opens numbers of its own, and lets children have them"))
    func `a child process inherits nothing of a hub`() async {
        await #expect(processExitsWith: .exitCode(3)) {
            try await onThread {
                let before = Set((0..<4096).filter { fcntl($0, F_GETFD) != -1 })
                try Hub.run {
                    let (listener, address) = tcpListener()
                    let (acceptor, client) = (try Descriptor(adopting: listener), tcpSocket())
                    startConnecting(client, to: address)
                    try await acceptor.wait(for: .readable)
                    let accepted = try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) {
                        try acceptor.acceptAvailable(address: UnsafeMutableRawBufferPointer($0))
                    }
                    try await offload {}
                    let opened = (0..<4096).filter { fcntl($0, F_GETFD) != -1 && !before.contains($0) }
                    // At least the hub's eventfd, the listener and both ends of the connection; with epoll one more.
                    guard accepted != nil, opened.count >= 4 else { exit(4) }
                    guard opened.allSatisfy({ fcntl($0, F_GETFD) & FD_CLOEXEC != 0 }) else { exit(5) }
                    exit(3)
                }
            }
        }
    }

    @Test func `a bad file descriptor fails each time, and the hub goes on`() async throws {
        try await onHub(hubs: .one("other hubs would be given the number")) {
            let (number, other) = socketPair()
            close(number)
            close(other)
            for _ in 0..<100 {
                #expect(throws: TandemError(.systemCall, "", errno: EBADF)) { _ = try Descriptor(adopting: number) }
                #expect(throws: TandemError(.systemCall, "", errno: EBADF)) {
                    _ = try Descriptor(watching: number, for: .readable) { _ in Issue.record("told") }
                }
            }
            #expect(Hub.counts.descriptors == 0)
            let (a, b) = try descriptorPair()
            try a.send("still")
            #expect(try await b.receive() == "still")
            a.close()
            b.close()
        }
    }

    @Test func `four threads each run their own hub at once and stay on it`() async throws {
        let threads = try await withThrowingTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    try await onThread {
                        try Hub.run {
                            let hub = Hub.current!
                            let home = GreenThreadIdentity.osThread
                            let sleepers = (0..<20).map { number in
                                GreenThread {
                                    for _ in 0..<20 { try sleep(for: .microseconds(50 * number)) }
                                    return hub.isCurrent && GreenThreadIdentity.osThread == home
                                }
                            }
                            for sleeper in sleepers { guard try await sleeper.wait() else { throw Unexpected("strayed") } }
                            return home
                        }
                    }
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(threads.count == 4)
    }
}
