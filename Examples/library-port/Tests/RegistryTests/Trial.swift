import Callers
import Foundation
import RegistryModel
import Synchronization
import Tandem
import TandemPatch
import Testing
import Upstream

/// All behaviours of the registry, for every stage and every kind of caller. One test runs at a time, because each looks for
/// what it leaves behind.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum RegistrySuite {}

/// A stage of the library, and the code that calls it.
struct Pair: Sendable, CustomTestStringConvertible {
    let stage: Stage
    let caller: Caller

    static let all = Stage.allCases.flatMap { stage in Caller.allCases.map { Pair(stage: stage, caller: $0) } }

    var testDescription: String { "\(stage) from \(caller)" }
}

/// A registry with its upstream, for one test.
struct Trial: Sendable {
    let caller: Caller
    let upstream: Upstream
    let subject: any Subject
    let clock: ManualClock
    let pauses: Pauses

    /// The hub of the callers that run on a hub.
    static let hub: Hub = {
        do { return try HubGroup(count: 1).hubs[0] } catch { fatalError("no hub: \(error)") }
    }()

    /// Starts a call.
    func start(_ ask: Ask) -> Call<RegistryValue> { caller.call(subject, ask, on: Trial.hub) }

    /// Starts a call and waits for its value.
    func value(_ ask: Ask) async throws -> RegistryValue { try await start(ask).value }

    /// Starts a call, and expects this value.
    func expect(
        _ ask: Ask, _ expected: RegistryValue, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let value = try await value(ask)
        #expect(value == expected, sourceLocation: sourceLocation)
    }

    /// The paths of the requests so far.
    var requests: [String] { upstream.log.requests.map(\.path) }

    /// Waits until the activity of the registry is as expected.
    func until(_ condition: @Sendable (RegistryActivity) -> Bool) async throws {
        try await RegistryTests.until("activity is \(subject.activity)") { condition(subject.activity) }
    }

    /// Waits until the upstream holds this number of requests.
    func untilHeld(_ count: Int) async throws {
        try await RegistryTests.until("\(upstream.log)") { upstream.log.held == count }
    }
}

/// Runs `body` with a new upstream and a new registry, and checks that nothing is left behind.
func withTrial(
    _ pair: Pair, _ script: [String: [Upstream.Step]], _ configure: (inout RegistryConfiguration) -> Void = { _ in },
    _ body: (Trial) async throws -> Void
) async throws {
    try TandemPatch.install()
    let before = await Leftovers.now()
    let upstream = Upstream(script)
    defer { upstream.close() }
    let clock = ManualClock()
    let pauses = Pauses()
    var configuration = RegistryConfiguration(url: upstream.url)
    configuration.backoff = .milliseconds(1)
    // No test ends by a timeout that it does not ask for.
    configuration.requestTimeout = .seconds(3600)
    configuration.now = { clock.now }
    configuration.willPause = { pause in pauses.list.withLock { $0.append(pause) } }
    configure(&configuration)
    let subject = pair.stage.registry(configuration, on: pair.caller.isOnHub ? Trial.hub : nil)
    let trial = Trial(caller: pair.caller, upstream: upstream, subject: subject, clock: clock, pauses: pauses)
    try await body(trial)
    upstream.release()
    try await trial.until { $0 == RegistryActivity(flights: 0, callers: 0, inLine: 0, pausing: 0) }
    try await Leftovers.settle(to: before)
}

/// What lives on all hubs and must end with a test. Idle connections are no leftovers: the client keeps them.
struct Leftovers {
    var greenThreads = 0
    var tasks = 0

    static func now() async -> Leftovers {
        var sum = Leftovers()
        for hub in [Trial.hub] + HubGroup.shared.hubs {
            guard let statistics = try? await hub.spawn({ () async in hub.statistics }).value else { continue }
            sum.greenThreads += statistics.greenThreads
            sum.tasks += statistics.tasks
        }
        return sum
    }

    static func settle(to before: Leftovers) async throws {
        let end = ContinuousClock.now + .seconds(10)
        var left = await now()
        while left.greenThreads > before.greenThreads || left.tasks > before.tasks {
            try #require(ContinuousClock.now < end, "left behind: \(left), before: \(before)")
            try await Task.sleep(for: .milliseconds(2))
            left = await now()
        }
    }
}

/// The clock of a cache, which the test moves.
final class ManualClock: Sendable {
    private let time = Mutex(Duration.zero)
    var now: Duration { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

/// The pauses before further requests.
final class Pauses: Sendable {
    let list = Mutex<[Duration]>([])
    var all: [Duration] { list.withLock { $0 } }
}

/// Waits until a condition holds, at most 20 seconds.
func until(_ state: @autoclosure () -> String, _ condition: () -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(20)
    while !condition() {
        try #require(ContinuousClock.now < end, "still \(state())")
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// An answer with the versions of a package.
func versions(_ versions: String..., etag: String? = nil) -> Upstream.Step {
    .answer(200, etag.map { ["ETag": $0] } ?? [:], "{\"versions\":[\(versions.map { "\"\($0)\"" }.joined(separator: ","))]}")
}

/// The manifest of version 1 of a package, and its archive.
func release(_ package: String, archive: String, checksum: String? = nil) -> [String: [Upstream.Step]] {
    let checksum = checksum ?? sha256(of: Array(archive.utf8))
    return [
        "/\(package)/1": [.answer(200, [:], "{\"package\":\"\(package)\",\"version\":\"1\",\"checksum\":\"\(checksum)\"}")],
        "/\(package)/1.tar": [.answer(200, [:], archive)],
    ]
}
