internal import Glibc

/// The kernel's statistics of this process, with the names that Prometheus's own clients use.
enum ProcessMetrics {
    static func families() -> [MetricFamily] {
        [
            family("process_resident_memory_bytes", "bytes", "Resident memory.", residentBytes()),
            family(
                "process_virtual_memory_bytes", "bytes", "Address space; stacks of green threads are mostly that.", virtualBytes()
            ),
            family("process_open_fds", nil, "Descriptors that are open.", openDescriptors()),
            family("process_max_fds", nil, "Descriptors that may be open.", descriptorLimit()),
            family("process_threads", nil, "OS threads.", statField(20)),
            family("process_start_time_seconds", "seconds", "When the process started, since 1970.", startTime()),
            family(
                "process_cpu_seconds", "seconds", "Processor time used.", cpuSeconds(), kind: .counter),
        ].compactMap(\.self)
    }

    /// Returns a family with one sample, or nil if /proc has no value.
    private static func family(
        _ name: String, _ unit: String?, _ help: String, _ value: Double?, kind: MetricKind = .gauge
    ) -> MetricFamily? {
        guard let value else { return nil }
        return MetricFamily(
            description: MetricDescription(name: name, unit: unit, help: help), kind: kind,
            samples: [MetricSample(labels: MetricLabels(), value: .number(value))])
    }

    private static var ticks: Double { Double(sysconf(CInt(_SC_CLK_TCK))) }

    /// Returns a field of /proc/self/stat by its number in proc(5). Skips the process name, which may contain any character.
    private static func statField(_ number: Int) -> Double? {
        guard let text = try? readTextFile("/proc/self/stat", upTo: 4_096), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return number - 3 < fields.count ? Double(fields[number - 3]) : nil
    }

    private static func statm(_ index: Int) -> Double? {
        guard let text = try? readTextFile("/proc/self/statm", upTo: 4_096) else { return nil }
        return Double(text.split(separator: " ")[index]).map { $0 * Double(sysconf(CInt(_SC_PAGESIZE))) }
    }

    private static func virtualBytes() -> Double? { statm(0) }

    private static func residentBytes() -> Double? { statm(1) }

    private static func cpuSeconds() -> Double? {
        guard let user = statField(14), let system = statField(15) else { return nil }
        return (user + system) / ticks
    }

    private static func startTime() -> Double? {
        guard let text = try? readTextFile("/proc/stat", upTo: 1 << 20), let started = statField(22),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let boot = Double(line.dropFirst(6))
        else { return nil }
        return boot + started / ticks
    }

    private static func descriptorLimit() -> Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Double(limit.rlim_cur)
    }

    private static func openDescriptors() -> Double? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if withUnsafeBytes(of: entry.pointee.d_name, { $0[0] }) != UInt8(ascii: ".") { count += 1 }
        }
        // Excludes the descriptor of this directory.
        return Double(count - 1)
    }
}
