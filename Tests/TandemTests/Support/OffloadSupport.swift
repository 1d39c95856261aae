internal import Glibc
internal import Testing

@testable import Tandem

/// The style in which the pool is called.
enum OffloadStyle: CaseIterable, Sendable {
    case async, green, thread

    /// The styles with a task, which can be cancelled.
    static let tasks = [OffloadStyle.async, .green]

    func run<Success: Sendable>(
        on pool: OffloadPool, deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        switch self {
        case .async: try await pool.run(deadline: deadline, body)
        case .green: try await blocking { try pool.run(deadline: deadline, body) }
        case .thread: try await onThread { try pool.run(deadline: deadline, body) }
        }
    }
}

/// Runs `body` on a hub with its own pool, shuts the pool down, and checks that nothing of it is left and that every
/// job was counted exactly once.
func onHubWithPool(
    threads: Int, queueLimit: Int = OffloadPool.defaultQueueLimit, hubs: TestHubs = .several,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable (OffloadPool) async throws -> Void
) async throws {
    try await onHub(hubs: hubs, sourceLocation: sourceLocation) {
        let pool = try OffloadPool(threads: threads, queueLimit: queueLimit, name: "test-pool")
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(pool)) } catch { outcome = .failure(error) }
        try await pool.shutdown(deadline: .after(.seconds(20)))
        let counts = pool.statistics
        #expect([counts.threads, counts.running, counts.queued] == [0, 0, 0], sourceLocation: sourceLocation)
        #expect(counts.abandoned <= counts.completed, sourceLocation: sourceLocation)
        try outcome.get()
    }
}

/// A gate that blocks the threads of jobs until it is opened.
struct Gate: Sendable {
    private let event = ThreadEvent()
    let arrived = Counter()

    /// Blocks the OS thread.
    func pass() {
        arrived.add()
        event.wait()
    }

    func open(for count: Int = 1) { for _ in 0..<count { event.set() } }
}

/// The body of a job that must never start.
@Sendable func mustNotRun() { Issue.record("the job ran") }

/// The number of threads of this process with this name.
func threads(named name: String) -> Int {
    guard let directory = opendir("/proc/self/task") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        let id = withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) }
        let file = open("/proc/self/task/\(id)/comm", O_RDONLY)
        guard file >= 0 else { continue }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 32)
        let length = max(1, read(file, &text, text.count))
        if String(decoding: text[..<(length - 1)], as: UTF8.self) == name { count += 1 }
    }
    return count
}
