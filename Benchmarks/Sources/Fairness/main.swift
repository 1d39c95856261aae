// Measures how late timers and sockets wake while a crowd on the same hub is always ready. scripts/measure/bench runs it.
import Glibc
import Measuring
import Synchronization
import Tandem

enum Style: String, CaseIterable { case green, async }

/// `count` loops that do nothing but yield, so they are always ready.
final class Crowd: Sendable {
    private let jobs = Atomic<Int>(0)
    private let isOver = Atomic<Bool>(false)
    private let tasks = Mutex<[Task<Void, any Error>]>([])

    init(_ name: String, count: Int) {
        for number in 0..<count {
            let task = spawn {
                if name == "green" || (name == "mixed" && number.isMultiple(of: 2)) {
                    try await blocking { while self.goesOn() { try sleep(for: .zero) } }
                } else {
                    while self.goesOn() { await Task.yield() }
                }
            }
            tasks.withLock { $0.append(task) }
        }
    }

    private func goesOn() -> Bool {
        jobs.store(jobs.load(ordering: .relaxed) + 1, ordering: .relaxed)
        return !isOver.load(ordering: .relaxed)
    }

    var count: Int { jobs.load(ordering: .relaxed) }

    func end() async throws {
        isOver.store(true, ordering: .relaxed)
        for task in tasks.withLock({ $0 }) { try await task.value }
    }
}

let samples = 200
let millisecond = Duration.milliseconds(1)

func lateness(of style: Style) async throws -> [Double] {
    func measure(_ start: Double) -> Double { nanoseconds() - start - 1e6 }
    switch style {
    case .async:
        var late: [Double] = []
        for _ in 0..<samples {
            let start = nanoseconds()
            try await sleep(for: millisecond)
            late.append(measure(start))
        }
        return late
    case .green:
        return try await blocking {
            try (0..<samples).map { _ in
                let start = nanoseconds()
                try sleep(for: millisecond)
                return measure(start)
            }
        }
    }
}

func latenessOfTimer() async throws -> [Double] {
    var late: [Double] = []
    for _ in 0..<samples {
        let fired = Event<Double>()
        let timer = HubTimer(on: Hub.current!) { fired.send(nanoseconds()) }
        let start = nanoseconds()
        timer.arm(.after(millisecond))
        late.append(try await fired.wait() - start - 1e6)
        withExtendedLifetime(timer) {}
    }
    return late
}

/// Returns the round-trip times of a client on its own OS thread, which sends a byte and waits for the echo.
func roundTrips(to style: Style) async throws -> [Double] {
    var pair: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0 else { fatalError("socketpair: errno \(errno)") }
    let client = pair[0]
    _ = fcntl(pair[1], F_SETFL, O_NONBLOCK)
    // Used only on this hub's thread, by a child of this task.
    nonisolated(unsafe) let server = try Descriptor(adopting: pair[1])
    defer {
        server.close()
        Glibc.close(client)
    }
    let times = Event<[Double]>()
    async let echoing: Void = echo(server, style)
    let thread = OSThread {
        var byte: UInt8 = 1
        var took: [Double] = []
        for _ in 0..<samples {
            let start = nanoseconds()
            guard write(client, &byte, 1) == 1, read(client, &byte, 1) == 1 else { fatalError("the echo failed: errno \(errno)") }
            took.append(nanoseconds() - start)
        }
        times.send(took)
    }
    try await echoing
    defer { thread.join() }
    return try await times.wait()
}

func echo(_ server: Descriptor, _ style: Style) async throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
    defer { buffer.deallocate() }
    switch style {
    case .async:
        for _ in 0..<samples { _ = try server.writeAvailable(.init(rebasing: buffer[..<(try await server.read(into: buffer))])) }
    case .green:
        try await blocking {
            for _ in 0..<samples { _ = try server.writeAvailable(.init(rebasing: buffer[..<(try server.read(into: buffer))])) }
        }
    }
}

final class OSThread {
    private var thread = pthread_t()
    init(_ body: @escaping @Sendable () -> Void) {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        let failed = pthread_create(
            &thread, nil,
            {
                Unmanaged<Box>.fromOpaque($0!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        precondition(failed == 0, "pthread_create: errno \(failed)")
    }
    func join() { pthread_join(thread, nil) }
}

func row(_ crowd: String, _ what: String, _ values: [Double]) {
    let late = Samples(values)
    func µs(_ nanoseconds: Double) -> String { text(max(0, nanoseconds) / 1e3, digits: 1) }
    print("| \(crowd) | \(what) | \(µs(late.median)) | \(µs(late.quantile(0.99))) | \(µs(late.most)) |")
}

let size = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 10_000 : 10_000
var configuration = HubConfiguration()
configuration.stackSize = 64 * 1024

try Hub.run(configuration) {
    let budget = Hub.current!.configuration.jobsPerTurn
    print("| always ready | waits for | late by µs, median | p99 | max |\n| --- | --- | ---: | ---: | ---: |")
    var bounds: [String] = []
    for name in ["nobody", "green", "async", "mixed"] {
        let crowd = Crowd(name, count: name == "nobody" ? 0 : size)
        let shown = name == "nobody" ? name : "\(size) \(name)"
        for _ in 0..<20 { try await sleep(for: .zero) }
        let (start, before) = (cpuNanoseconds(), crowd.count)
        row(shown, "a HubTimer of 1 ms", try await latenessOfTimer())
        for style in Style.allCases { row(shown, "\(style) sleep of 1 ms", try await lateness(of: style)) }
        for style in Style.allCases { row(shown, "\(style) socket echo, round trip", try await roundTrips(to: style)) }
        if crowd.count > before {
            let job = (cpuNanoseconds() - start) / Double(crowd.count - before)
            bounds.append(
                "\(name): a job \(text(job)) ns of CPU, a turn of \(budget) jobs \(text(job * Double(budget) / 1e3)) µs, "
                    + "a round of \(size) \(text(job * Double(size) / 1e3)) µs")
        }
        try await crowd.end()
    }
    print("\n" + bounds.joined(separator: "\n"))
}
