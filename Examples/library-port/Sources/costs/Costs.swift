internal import Callers
internal import Foundation
internal import RegistryModel
internal import Tandem
internal import TandemPatch
internal import Upstream

/// Measures what each stage costs each kind of caller, and prints a table. Each measurement has a process of its own.
///
/// Usage: `costs [ROUNDS]`. A row has the highest rate, the lowest CPU time and the most threads and memory of its rounds.
@main
struct Costs {
    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count == 5 {
            return try await measure(Work(rawValue: arguments[1])!, arguments[2], arguments[3], url: arguments[4])
        }
        let rounds = arguments.count > 1 ? Int(arguments[1]) ?? 3 : 3
        let answer = Upstream.Step.answer(200, ["ETag": "\"1\""], "{\"versions\":[\"1.0.0\",\"1.1.0\"]}").after(0.02)
        let upstream = Upstream(Dictionary(uniqueKeysWithValues: (0..<Work.fetches.count).map { ("/p\($0)", [answer]) }))
        print("| stage | caller | cached lookup, ns | fetches/s | CPU per fetch, µs | OS threads | peak RSS, MiB |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        for stage in Stage.allCases {
            for caller in Caller.allCases {
                let cached = try best(of: rounds, .cached, stage, caller, upstream.url)
                let fetches = try best(of: rounds, .fetches, stage, caller, upstream.url)
                print(
                    "| \(stage) | \(caller) | \(Int(1e9 / cached.perSecond)) | \(Int(fetches.perSecond))",
                    "| \(fetches.cpu) | \(fetches.threads) | \(fetches.memory) |")
            }
        }
    }

    /// Runs a measurement in new processes.
    private static func best(of rounds: Int, _ work: Work, _ stage: Stage, _ caller: Caller, _ url: String) throws -> Figures {
        let figures = try (0..<rounds).map { _ in
            let process = Process()
            process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            process.arguments = [work.rawValue, stage.rawValue, caller.rawValue, url]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let data = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return try JSONDecoder().decode(Figures.self, from: data)
        }
        return Figures(
            perSecond: figures.map(\.perSecond).max()!, cpu: figures.map(\.cpu).min()!, threads: figures.map(\.threads).max()!,
            memory: figures.map(\.memory).max()!)
    }

    private static func measure(_ work: Work, _ stage: String, _ caller: String, url: String) async throws {
        let (stage, caller) = (Stage(rawValue: stage)!, Caller(rawValue: caller)!)
        if stage == .stage0, caller != .osThread { try TandemPatch.install() }
        let hub = caller.isOnHub ? try HubGroup(count: 1).hubs[0] : nil
        var configuration = RegistryConfiguration(url: url)
        configuration.concurrency = 50
        let subject = stage.registry(configuration, on: hub)
        if work == .cached { _ = try await caller.call(subject, .versions("p0"), on: hub!).value }
        let usage = Usage()
        let start = ContinuousClock.now
        switch work {
        case .cached:
            let loop = caller.start(on: hub!) { cancellation in
                for _ in 0..<work.count { _ = try subject.blockingCall(.versions("p0"), cancellation) }
            } async: {
                for _ in 0..<work.count { _ = try await subject.asyncCall(.versions("p0")) }
            }
            try await loop.value
        case .fetches:
            let calls = (0..<work.count).map { caller.call(subject, .versions("p\($0)"), on: hub!) }
            for call in calls { _ = try await call.value }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let figures = usage.figures(count: work.count, seconds: seconds)
        FileHandle.standardOutput.write(try JSONEncoder().encode(figures))
    }
}

/// What is measured.
private enum Work: String {
    /// Lookups of one caller that the cache answers.
    case cached
    /// Fetches of as many callers at once, each of another package. The upstream answers after 20 ms.
    case fetches

    var count: Int { self == .cached ? 10_000 : 200 }
}

/// The figures of a measurement.
private struct Figures: Codable {
    var perSecond: Double
    /// Microseconds per call, in user and system mode.
    var cpu: Int
    var threads: Int
    /// MiB.
    var memory: Int
}

/// Watches the process while it works.
private struct Usage {
    private let threads = ThreadCount()
    private let start = cpuMicroseconds()

    func figures(count: Int, seconds: Double) -> Figures {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: { $0.isWhitespace })
        return Figures(
            perSecond: Double(count) / seconds, cpu: (cpuMicroseconds() - start) / count, threads: threads.peak,
            memory: (peak.flatMap { Int($0[1]) } ?? 0) / 1024)
    }
}

/// Counts the threads of the process every millisecond, on a thread that it leaves out.
private final class ThreadCount: @unchecked Sendable {  // the lock guards the maximum
    private let lock = NSLock()
    private var maximum = 0

    init() {
        Thread.detachNewThread { [self] in
            while true {
                let count = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
                lock.withLock { maximum = max(maximum, count - 1) }
                usleep(1_000)
            }
        }
    }

    var peak: Int { lock.withLock { maximum } }
}

private func cpuMicroseconds() -> Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    let (user, system) = (usage.ru_utime, usage.ru_stime)
    return (user.tv_sec + system.tv_sec) * 1_000_000 + Int(user.tv_usec + system.tv_usec)
}
