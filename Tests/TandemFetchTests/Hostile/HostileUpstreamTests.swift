import Glibc
import Tandem
import TandemFetch
import Testing

/// Thousands of exchanges with an upstream that misbehaves at every byte. Each caller gets the whole response to its own request,
/// or an error before its deadline, and nothing is left behind.
///
/// Environment variables: `TANDEM_HOSTILE_EXCHANGES` sets the number of exchanges, `TANDEM_HOSTILE_SEED` the seed.
/// `TANDEM_HOSTILE_ONLY=17,42` runs only these exchanges, one after the other. `TANDEM_HOSTILE_KIND=cut` runs only those whose
/// misbehaviour has this text in its name. `TANDEM_HOSTILE_COUNTS=1` prints how each kind of misbehaviour ended.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct HostileUpstreamTests {
    @Test func `every caller gets its own whole response, or an error in time`() async throws {
        let storm = HostileStorm(seed: HostileSetting.seed, exchanges: HostileSetting.exchanges)
        // libcurl and Dispatch's timers keep some descriptors for the whole process.
        try await sleep(for: .milliseconds(1))
        try await onHub { _ in _ = try? await FetchClient().get("http://127.0.0.1:\(unusedPort())/") }
        let descriptors = openDescriptors()
        let upstreams = HostileUpstreams(seed: storm.seed)
        let report = try await onHub { hub in try await storm.run(upstreams, on: hub) }
        // The hub has ended, and the client's connections with it.
        try await until { upstreams.counts.open == 0 }
        let counts = upstreams.counts
        #expect(upstreams.stop(), "threads of the upstream are left")
        let left = openDescriptors().filter { descriptors[$0.key] == nil }
        #expect(left.isEmpty, "\(storm)")
        if HostileSetting.printsCounts { print(report.table, counts) }
        let faults = report.faults + upstreams.violations
        #expect(
            faults.isEmpty,
            "\(storm): \(faults.count) faults\n\(faults.prefix(HostileSetting.printsCounts ? 1000 : 20).joined(separator: "\n"))")
        // The storm served its purpose: connections were kept and used again.
        if storm.exchanges.count >= 1000, HostileSetting.isWhole {
            #expect(counts.requests > counts.accepted && counts.severed > 0, "\(counts)")
        }
    }

    /// The open descriptors, with what each refers to.
    private func openDescriptors() -> [CInt: String] {
        let open = (CInt(0)..<4096).filter { fcntl($0, F_GETFD) != -1 }
        return Dictionary(
            uniqueKeysWithValues: open.map { fd in
                var name = [UInt8](repeating: 0, count: 256)
                let count = name.withUnsafeMutableBytes {
                    readlink("/proc/self/fd/\(fd)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
                return (fd, String(decoding: name.prefix(max(0, count)), as: UTF8.self))
            })
    }
}

/// The settings from the environment.
private enum HostileSetting {
    static var seed: UInt64 { value("TANDEM_HOSTILE_SEED").flatMap { UInt64($0) } ?? 20_261_128 }

    static var exchanges: [Int] {
        if let only = value("TANDEM_HOSTILE_ONLY") { return only.split(separator: ",").compactMap { Int($0) } }
        #if DEBUG
        let usual = 2000
        #else
        let usual = 10_000
        #endif
        let all = 1...(value("TANDEM_HOSTILE_EXCHANGES").flatMap { Int($0) } ?? usual)
        guard let kind = value("TANDEM_HOSTILE_KIND") else { return Array(all) }
        return all.filter { HostilePlan(seed: seed, exchange: $0).misbehaviour.name.contains(kind) }
    }

    static var isWhole: Bool { value("TANDEM_HOSTILE_ONLY") == nil && value("TANDEM_HOSTILE_KIND") == nil }

    static var isReplay: Bool { value("TANDEM_HOSTILE_ONLY") != nil }

    static var printsCounts: Bool { value("TANDEM_HOSTILE_COUNTS") != nil }

    private static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// One upstream per transport, all of which follow the plans of one seed.
private struct HostileUpstreams: Sendable {
    private let all: [HostileUpstream.Transport: HostileUpstream]

    init(seed: UInt64) {
        all = Dictionary(
            uniqueKeysWithValues: HostileUpstream.Transport.allCases.map { transport in
                let upstream = HostileUpstream(transport) { request in
                    guard let exchange = request.exchange else { return HostileScript(steps: [], afterwards: .end(.reset)) }
                    return HostilePlan(seed: seed, exchange: exchange).script
                }
                return (transport, upstream)
            })
    }

    subscript(transport: HostileUpstream.Transport) -> HostileUpstream { all[transport]! }

    var violations: [String] { all.values.flatMap { $0.ledger.violations } }

    var counts: HostileLedger.Counts {
        all.values.map { $0.ledger.counts }.reduce(into: HostileLedger.Counts()) { $0.add($1) }
    }

    func stop() -> Bool { all.values.map { $0.stop() }.allSatisfy { $0 } }
}

/// All exchanges of a run, with a limited number at a time.
private struct HostileStorm: Sendable, CustomStringConvertible {
    /// The time limit of a whole run.
    private static let limit = Duration.seconds(180)

    let seed: UInt64
    let exchanges: [Int]

    var description: String { "seed \(seed), \(exchanges.count) exchanges" }

    func run(_ upstreams: HostileUpstreams, on hub: Hub) async throws -> HostileReport {
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let (client, report, next) = (FetchClient(configuration: configuration), HostileReport(), Counter())
        let end = Deadline.after(Self.limit)
        let lanes = (0..<(HostileSetting.isReplay ? 1 : 32)).map { _ in
            hub.spawn(name: "lane") {
                while end.remaining != .zero, exchanges.count > next.value {
                    let plan = HostilePlan(seed: seed, exchange: exchanges[next.value])
                    next.value += 1
                    let upstream = upstreams[plan.transport]
                    let exchange = HostileExchange(plan: plan, client: client, url: upstream.url("/x/\(plan.exchange)"))
                    report.began(plan)
                    let began = ContinuousClock.now
                    let outcome = await exchange.run(on: hub)
                    report.ended(
                        HostileVerdict(plan: plan, outcome: outcome, ledger: upstream.ledger, time: began...ContinuousClock.now))
                }
            }
        }
        let done = Event<Void>()
        let waiter = hub.spawn {
            for lane in lanes { _ = await lane.result }
            done.send(())
        }
        // An exchange that cannot be cancelled blocks its lane forever, but not the test.
        try? await done.wait(deadline: .after(Self.limit + .seconds(20)))
        report.finish(of: exchanges.count)
        if done.outcome != nil { _ = await waiter.result }
        return report
    }
}

/// The outcomes of the exchanges. Used only on the hub until it has ended.
private final class HostileReport: @unchecked Sendable {
    private(set) var faults: [String] = []
    private var underWay: [Int: HostilePlan] = [:]
    private var done = 0
    private var kinds: [String: (answers: Int, errors: Int, faults: Int)] = [:]

    func began(_ plan: HostilePlan) { underWay[plan.exchange] = plan }

    func ended(_ verdict: HostileVerdict) {
        underWay[verdict.plan.exchange] = nil
        done += 1
        let fault = verdict.fault
        if let fault { faults.append("\(verdict.plan): \(fault)") }
        kinds[verdict.plan.misbehaviour.kind, default: (0, 0, 0)].answers += verdict.outcome.isComplete ? 1 : 0
        kinds[verdict.plan.misbehaviour.kind]!.errors += verdict.outcome.error == nil ? 0 : 1
        kinds[verdict.plan.misbehaviour.kind]!.faults += fault == nil ? 0 : 1
    }

    func finish(of count: Int) {
        for plan in underWay.values { faults.append("\(plan): has not ended, cancelled or not") }
        if done < count { faults.append("only \(done) of \(count) exchanges were done in time") }
    }

    /// One line for each kind of misbehaviour.
    var table: String {
        let lines = kinds.sorted { $0.key < $1.key }
            .map { "\($0.key): \($0.value.answers) answers, \($0.value.errors) errors, \($0.value.faults) faults" }
        return lines.joined(separator: "\n")
    }
}
