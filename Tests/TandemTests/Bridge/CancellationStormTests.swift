internal import Testing

@testable import Tandem

/// Cancels at random moments and depths, across every kind of scope and every kind of wait.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct CancellationStormTests {
    private static let victimsABatch = 200
    private static let batches = Sanitizer.any ? 5 : 50

    @Test(arguments: [18_446_744_073_709_551_557] as [UInt64])
    func `ten thousand random cancels leave nothing behind`(seed: UInt64) async throws {
        // The number is shared by all hubs, because Swift Testing keeps each live error and searches all of them at each throw.
        let batches = Self.batches / TestHubs.several.count
        // The process opens these once: the shared hubs, and Swift's own timers.
        _ = HubGroup.shared
        try await Task.sleep(for: .microseconds(1))
        let descriptors = openDescriptors()
        try await onHub {
            var random = SeededGenerator(seed: seed)
            let storm = Storm()
            for _ in 0..<batches { try await Self.batch(storm, &random) }
            #expect(storm.entered.value > 0 && storm.entered.value == storm.left.value, "seed \(seed)")
            #expect(storm.shields.value > 0 && storm.shields.value == storm.cleaned.value, "seed \(seed)")
            #expect(storm.unexpected.all == [], "seed \(seed)")
            // Every way to end has occurred.
            #expect(Set(storm.ends.all) == ["cancelled", "given", "timed out", "waiter"], "seed \(seed)")
        }
        #expect(openDescriptors() == descriptors, "seed \(seed)")
    }

    /// Starts a batch, cancels victims at random from this hub and from another thread, and waits for all.
    private static func batch(_ storm: Storm, _ random: inout SeededGenerator) async throws {
        var victims: [Victim] = []
        for number in 0..<victimsABatch {
            victims.append(Victim(number, storm, &random))
            if Int.random(in: 0..<16, using: &random) == 0 { try await sleep(for: .zero) }
            if Int.random(in: 0..<4, using: &random) == 0 { victims.randomElement(using: &random)!.cancel() }
        }
        let foreign = Array(victims.shuffled(using: &random).prefix(victimsABatch / 4))
        async let elsewhere: Void = onThread { for victim in foreign { victim.cancel() } }
        for victim in victims.shuffled(using: &random) {
            if Int.random(in: 0..<8, using: &random) == 0 { try await sleep(for: .zero) }
            victim.cancel()
        }
        try await elsewhere
        for victim in victims { await victim.end() }
    }
}

/// Counts shared by the bodies of all victims.
private final class Storm: Sendable {
    let never = Event<Void>()
    let (entered, left) = (Counter(), Counter())
    let (shields, cleaned) = (Counter(), Counter())
    let ends = Recorder<String>()
    let unexpected = Recorder<String>()
}

/// One green thread or task on a random path, with the way it is cancelled.
private struct Victim: Sendable {
    let cancel: @Sendable () -> Void
    let end: @Sendable () async -> Void

    init(_ number: Int, _ storm: Storm, _ random: inout SeededGenerator) {
        let path = Path(&random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            let task = Hub.current!.spawn { try await path.walk(storm) }
            cancel = { task.cancel() }
            end = { await Victim.note(storm, number, waiterIsCancelled: true) { try await task.value } }
        case 1:
            // This cancels a waiter instead of the thread.
            let thread = GreenThread { try path.walkBlocking(storm) }
            let waiter = Hub.current!.spawn {
                number.isMultiple(of: 2) ? try await thread.wait() : try await blocking { try thread.wait() }
            }
            cancel = { waiter.cancel() }
            end = {
                await Victim.note(storm, number, waiterIsCancelled: true) { try await waiter.value }
                thread.cancel()
                await Victim.note(storm, number, waiterIsCancelled: false) { try await thread.wait() }
            }
        case let kind:
            let delay = Duration.microseconds(kind == 2 ? Int.random(in: 0..<2_000, using: &random) : 0)
            let thread = GreenThread(after: delay) { try path.walkBlocking(storm) }
            let gives = Bool.random(using: &random)
            cancel = { gives ? thread.cancel(throwing: Failure(number: number)) : thread.cancel() }
            end = { await Victim.note(storm, number, waiterIsCancelled: false) { try await thread.wait() } }
        }
    }

    private static func note(
        _ storm: Storm, _ number: Int, waiterIsCancelled: Bool, _ wait: () async throws -> Void
    ) async {
        do {
            try await wait()
            storm.unexpected.add("it returned")
        } catch is CancellationError where waiterIsCancelled {
            storm.ends.add("waiter")
        } catch let error as TandemError where error.code == .threadCancelled {
            storm.ends.add("cancelled")
        } catch let error as TandemError where error.code == .timedOut {
            storm.ends.add("timed out")
        } catch let error as Failure where error.number == number {
            storm.ends.add("given")
        } catch {
            storm.unexpected.add("\(error)")
        }
    }
}

/// Levels of nesting, with a wait at the end that only a cancel or a timeout ends.
private struct Path: Sendable {
    enum Level: Sendable { case bridge, turn, scope(Duration), cleanup, shieldedScope(Duration) }
    enum Leaf: CaseIterable, Sendable { case sleep, event, semaphore, get, put, socket, foreign, pool, turns }

    private var levels: [Level] = []
    private let leaf: Leaf

    init(_ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let duration = Duration.microseconds(Int.random(in: 1...3_000, using: &random))
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<10: levels.append(.bridge)
            case 10..<13: levels.append(.turn)
            case 13..<15: levels.append(.scope(forever))
            case 15: levels.append(.scope(duration))
            case 16: levels.append(.shieldedScope(duration))
            default: levels.append(.cleanup)
            }
        }
        leaf = Leaf.allCases.randomElement(using: &random)!
    }

    func walk(_ storm: Storm) async throws { try await walk(levels[...], storm) }

    @available(*, noasync)
    func walkBlocking(_ storm: Storm) throws { try walkBlocking(levels[...], storm) }

    private func walk(_ levels: ArraySlice<Level>, _ storm: Storm) async throws {
        storm.entered.add()
        defer { storm.left.add() }
        let rest = levels.dropFirst()
        switch levels.first {
        case nil: try await wait(storm)
        case .bridge: try await blocking { try walkBlocking(rest, storm) }
        case .turn:
            try await sleep(for: .zero)
            try await walk(rest, storm)
        case .scope(let limit): try await withTimeout(limit) { try await walk(rest, storm) }
        case .shieldedScope(let limit):
            storm.shields.add()
            defer { storm.cleaned.add() }
            try await withCancellationShield { try await withTimeout(limit) { try await walk(rest, storm) } }
        case .cleanup:
            do { try await walk(rest, storm) } catch {
                storm.shields.add()
                try await withCancellationShield {
                    try await sleep(for: .microseconds(10))
                    storm.cleaned.add()
                }
                throw error
            }
        }
    }

    @available(*, noasync)
    private func walkBlocking(_ levels: ArraySlice<Level>, _ storm: Storm) throws {
        storm.entered.add()
        defer { storm.left.add() }
        let rest = levels.dropFirst()
        switch levels.first {
        case nil: try waitBlocking(storm)
        case .bridge: try awaiting { try await walk(rest, storm) }
        case .turn:
            try sleep(for: .zero)
            try walkBlocking(rest, storm)
        case .scope(let limit): try withTimeout(limit) { try walkBlocking(rest, storm) }
        case .shieldedScope(let limit):
            storm.shields.add()
            defer { storm.cleaned.add() }
            try withCancellationShield { try withTimeout(limit) { try walkBlocking(rest, storm) } }
        case .cleanup:
            do { try walkBlocking(rest, storm) } catch {
                storm.shields.add()
                try withCancellationShield {
                    try sleep(for: .microseconds(10))
                    storm.cleaned.add()
                }
                throw error
            }
        }
    }

    private func wait(_ storm: Storm) async throws {
        switch leaf {
        case .sleep: try await sleep(for: forever)
        case .event: try await storm.never.wait()
        case .semaphore: try await Semaphore(0).acquire()
        case .get: _ = try await Queue<Int>().get()
        case .put: try await Queue<Int>(capacity: 0).put(1)
        case .foreign: try await Task.sleep(for: forever)
        case .pool: try await GreenPool(limit: 0).spawn {}
        case .turns: while true { try await sleep(for: .zero) }
        case .socket:
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            _ = try await a.receive()
        }
    }

    @available(*, noasync)
    private func waitBlocking(_ storm: Storm) throws {
        switch leaf {
        case .sleep: try sleep(for: forever)
        case .event: try storm.never.wait()
        case .semaphore: try Semaphore(0).acquire()
        case .get: _ = try Queue<Int>().get()
        case .put: try Queue<Int>(capacity: 0).put(1)
        case .foreign: try awaiting { try await Task.sleep(for: forever) }
        case .pool: try GreenPool(limit: 0).spawn {}
        case .turns: while true { try sleep(for: .zero) }
        case .socket:
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            _ = try a.receive() as String
        }
    }
}
