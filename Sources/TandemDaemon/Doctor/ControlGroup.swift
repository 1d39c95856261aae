/// The limits of the control group that this process is in, and of the groups around it (cgroups(7), version 2).
struct ControlGroup: Sendable {
    /// The lowest memory limit in bytes; nil without a limit.
    let memory: Int?
    /// The lowest quota of processors, rounded up; nil without a quota.
    let cores: Int?

    /// Reads the limits.
    ///
    /// - Parameters:
    ///   - membership: The file with the path of the group, as the kernel writes it for a process.
    ///   - root: The mount point of the hierarchy.
    init(membership: String = "/proc/self/cgroup", root: String = "/sys/fs/cgroup") {
        let entries = (try? readTextFile(membership, upTo: 65_536))?.split(separator: "\n") ?? []
        // The entry of version 2 begins with "0::".
        let path = entries.first { $0.hasPrefix("0::") }?.dropFirst(3) ?? "/"
        var (memory, cores): (Int?, Int?) = (nil, nil)
        var names = path.split(separator: "/")
        while true {
            let group = ([root[...]] + names).joined(separator: "/")
            if let limit = Self.fields(group + "/memory.max").first.flatMap({ Int($0) }) { memory = min(memory ?? limit, limit) }
            let quota = Self.fields(group + "/cpu.max").compactMap { Int($0) }
            if quota.count == 2, quota[1] > 0 {
                let limit = max(1, (quota[0] + quota[1] - 1) / quota[1])
                cores = min(cores ?? limit, limit)
            }
            guard names.popLast() != nil else { break }
        }
        (self.memory, self.cores) = (memory, cores)
    }

    private static func fields(_ path: String) -> [Substring] {
        (try? readTextFile(path, upTo: 4_096))?.split(whereSeparator: \.isWhitespace) ?? []
    }
}
