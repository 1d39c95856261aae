internal import AllocationCount
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ScaleTests {
    /// The number of stacks that this test may have at once. Where the kernel cannot guard a stack without splitting its mapping,
    /// the number of mappings is the limit.
    private static let crowd: Int = {
        if Sanitizer.any { return 2_000 }
        let size = 1 << 16
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        defer { munmap(memory, size) }
        let guardInstall: CInt = 102
        if madvise(memory, 4096, guardInstall) == 0 { return 100_000 }
        let crowd = min(100_000, (number(in: "/proc/sys/vm/max_map_count") ?? 65_530) / 4)
        print("ScaleTests: this kernel has no MADV_GUARD_INSTALL: \(crowd) green threads in place of 100,000")
        return crowd
    }()

    private static func number(in path: String, field: Int = 0) -> Int? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 256)
        guard fgets(&text, CInt(text.count), file) != nil else { return nil }
        let fields = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ")
        return field < fields.count ? Int(fields[field].filter(\.isNumber)) : nil
    }

    private static func residentBytes() -> Int { number(in: "/proc/self/statm", field: 1)! * sysconf(CInt(_SC_PAGESIZE)) }

    @Test func `a hundred thousand parked green threads take two or three pages each, and all are woken`() async throws {
        try await onHub(hubs: .one("as many stacks as one process may have")) {
            let (gate, ended) = (Event<Void>(), Counter())
            let before = Self.residentBytes()
            // Detached from the running test, because each green thread would hold a copy of its task-locals.
            await Task.detached(executorPreference: Hub.current!) {
                for _ in 0..<Self.crowd {
                    GreenThread {
                        try gate.wait()
                        ended.add()
                    }
                }
            }.value
            try await turnUntilParked(Self.crowd)
            #expect(Hub.counts.greenThreads == Self.crowd)
            // One page of stack, and the task's memory, which fits in one slab. Frames of a debug build are larger.
            let limit = isOptimized ? 7_000 : 3 * 4096
            if !Sanitizer.any { #expect((Self.residentBytes() - before) / Self.crowd < limit) }
            gate.send(())
            try await turnUntil { ended.value == Self.crowd && Hub.counts.tasks == 0 }
            #expect(Hub.counts.greenThreads == 0)
        }
    }

    @Test(.enabled(if: !Sanitizer.any, "the sanitizers keep memory of their own"))
    func `memory stays flat over a million green threads`() async throws {
        let total = isOptimized ? 1_000_000 : 200_000
        try await onHub(hubs: .one("the memory is the process's")) {
            func run(_ count: Int) async throws {
                for number in 0..<count { _ = try await GreenThread { number }.wait() }
            }
            try await run(10_000)
            let (resident, allocated) = (Self.residentBytes(), Int(allocated_bytes()))
            try await run(total)
            // One word per thread would exceed this.
            #expect(Int(allocated_bytes()) - allocated < 256 * 1024)
            #expect(Self.residentBytes() - resident < 1024 * 1024)
            #expect(Hub.counts.greenThreadsHighWater == 1)
        }
    }
}
