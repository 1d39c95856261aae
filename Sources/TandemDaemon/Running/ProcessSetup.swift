internal import Glibc

/// The setup of the process, before anything else runs.
enum ProcessSetup {
    static func prepare() {
        holdStandardDescriptors()
        raiseDescriptorLimit()
        // A write to a closed connection or pipe must fail with EPIPE, and not end the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed. Otherwise a connection could get one of these
    /// numbers, and the access log would be written to it.
    private static func holdStandardDescriptors() {
        for fd in STDIN_FILENO...STDERR_FILENO where fcntl(fd, F_GETFD) < 0 {
            // open(2) returns the lowest free number, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// Raises the soft limit of descriptors to the hard limit. The soft limit is low for the sake of select(2), which is not used
    /// here.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
