internal import Glibc

/// The properties of the machine, and the limits of this process, that `Doctor` checks.
struct Machine: Sendable {
    /// The maximum number of descriptors (RLIMIT_NOFILE, the hard limit, to which the daemon raises the soft limit).
    var descriptorLimit: Int
    /// The number of processors that the process may use.
    var cores: Int
    /// The memory that the process may use, in bytes: the limit of its cgroup, otherwise the memory of the machine.
    var memory: Int?
    /// The version of the kernel: (6, 12).
    var kernel: (major: Int, minor: Int)
    /// net.core.somaxconn.
    var listenQueueLimit: Int?
    /// vm.max_map_count.
    var mappingLimit: Int?
    /// Whether the kernel has guard pages that do not split a mapping (MADV_GUARD_INSTALL, Linux 6.13).
    var hasLightGuards: Bool

    /// Reads the properties of the machine that this process runs on.
    init() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        descriptorLimit = Int(clamping: limit.rlim_max)
        let group = ControlGroup()
        let online = sysconf(CInt(_SC_NPROCESSORS_ONLN))
        cores = min(group.cores ?? online, online)
        let installed = sysconf(CInt(_SC_PHYS_PAGES)) * sysconf(CInt(_SC_PAGESIZE))
        memory = min(group.memory ?? installed, installed)
        kernel = Self.kernelVersion()
        listenQueueLimit = Self.number("/proc/sys/net/core/somaxconn")
        mappingLimit = Self.number("/proc/sys/vm/max_map_count")
        hasLightGuards = Self.supportsLightGuards()
    }

    private static func number(_ path: String) -> Int? {
        (try? readTextFile(path, upTo: 4_096)).flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { Int($0) }
    }

    private static func kernelVersion() -> (Int, Int) {
        let text = (try? readTextFile("/proc/sys/kernel/osrelease", upTo: 4_096)) ?? ""
        let numbers = text.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : (0, 0)
    }

    private static func supportsLightGuards() -> Bool {
        let size = sysconf(CInt(_SC_PAGESIZE))
        guard let page = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page != MAP_FAILED else {
            return false
        }
        defer { munmap(page, size) }
        let guardInstall: CInt = 102  // MADV_GUARD_INSTALL, which older headers lack.
        return madvise(page, size, guardInstall) == 0
    }
}
