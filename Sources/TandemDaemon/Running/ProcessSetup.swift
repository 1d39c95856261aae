internal import Glibc

/// What a server asks of its process, before anything else.
enum ProcessSetup {
    static func prepare() {
        holdStandardDescriptors()
        raiseDescriptorLimit()
        // A client or a log reader that has gone is an error of one write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Opens /dev/null for those of 0, 1 and 2 that are closed: else a connection could get the number, and the access log.
    private static func holdStandardDescriptors() {
        for fd in STDIN_FILENO...STDERR_FILENO where fcntl(fd, F_GETFD) < 0 {
            // The lowest free number, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// As many descriptors as the process may have: the soft limit is low for the sake of select(2), which nobody calls here.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
