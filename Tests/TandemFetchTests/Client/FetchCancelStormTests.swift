import Glibc
import Tandem
import TandemFetch
import Testing

/// Cancels at random moments of fetches, at random depths of bridges, scopes and shields.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct FetchCancelStormTests {
    private static let cancels = dlsym(nil, "__asan_init") ?? dlsym(nil, "__tsan_init") == nil ? 10_000 : 500

    @Test(arguments: [2_147_483_647] as [UInt64])
    func `ten thousand cancels leave nothing behind`(seed: UInt64) async throws {
        let upstream = Upstream()
        let urls = ["/silent", "/fixed", "/slow?n=3", "/drip?n=3", "/big?n=300000", "/stall"].map { upstream.url($0) }
        // libcurl keeps some descriptors for the whole process.
        _ = try await upstream.count("accepted")
        let descriptors = openDescriptors()
        try await onHub { hub in
            var random = Numbers(seed: seed)
            let (client, counts) = (FetchClient(), Counts())
            for _ in 0..<Self.cancels / 100 {
                var victims: [Victim] = []
                for number in 0..<100 {
                    let fetch = Fetch(client, urls[random.below(urls.count)], depth: random.below(6), limit: random.below(40))
                    victims.append(Victim(number, hub, fetch, counts, &random))
                    if random.below(4) == 0 { try await sleep(for: .microseconds(random.below(400))) }
                    if random.below(3) == 0 { victims[random.below(victims.count)].cancel() }
                }
                let foreign = (0..<25).map { _ in victims[random.below(victims.count)] }
                async let elsewhere: Void = onThread { for victim in foreign { victim.cancel() } }
                for victim in victims { victim.cancel() }
                try await elsewhere
                for victim in victims { await victim.end() }
                #expect(FetchStatistics(of: hub).transfers == 0, "seed \(seed)")
                #expect(hub.statistics.greenThreads == 0 && hub.statistics.tasks == 0, "seed \(seed)")
            }
            #expect(counts.unexpected.isEmpty, "seed \(seed): \(counts.unexpected)")
            #expect(counts.cancelled + counts.answered + counts.timedOut == Self.cancels, "seed \(seed)")
        }
        #expect(openDescriptors() == descriptors, "seed \(seed)")
    }

    private func openDescriptors() -> Int { (0..<4096).count { fcntl($0, F_GETFD) != -1 } }
}

/// The outcomes of all fetches. Used only on the hub.
private final class Counts: @unchecked Sendable {
    var (cancelled, answered, timedOut) = (0, 0, 0)
    var unexpected: [String] = []
}

private struct Given: Error { let number: Int }

private struct Victim: Sendable {
    let cancel: @Sendable () -> Void
    let end: @Sendable () async -> Void

    init(_ number: Int, _ hub: Hub, _ fetch: Fetch, _ counts: Counts, _ random: inout Numbers) {
        let wait: @Sendable () async throws -> Void
        if random.below(2) == 0 {
            let task = hub.spawn { try await fetch.run(fetch.depth) }
            cancel = { task.cancel() }
            wait = { try await task.value }
        } else {
            let gives = random.below(2) == 0
            let delay = Duration.microseconds(random.below(4) == 0 ? random.below(1_000) : 0)
            let thread = GreenThread(on: hub, after: delay) { try fetch.runBlocking(fetch.depth) }
            cancel = { gives ? thread.cancel(throwing: Given(number: number)) : thread.cancel() }
            wait = { try await thread.wait() }
        }
        end = {
            do {
                try await wait()
                counts.answered += 1
            } catch is CancellationError {
                counts.cancelled += 1
            } catch let error as TandemError where error.code == .threadCancelled {
                counts.cancelled += 1
            } catch let error as TandemError where error.code == .timedOut {
                counts.timedOut += 1
            } catch let error as Given where error.number == number {
                counts.cancelled += 1
            } catch {
                counts.unexpected.append("\(error)")
            }
        }
    }
}

/// One fetch below several bridges, some of them with a timeout scope or a shield.
private struct Fetch: Sendable {
    let client: FetchClient
    let url: String
    let depth: Int
    let limit: Int

    init(_ client: FetchClient, _ url: String, depth: Int, limit: Int) {
        (self.client, self.url, self.depth, self.limit) = (client, url, depth, limit)
    }

    func run(_ depth: Int) async throws {
        switch depth {
        case 0: _ = try await client.get(url)
        case 2 where limit < 8:
            try await withTimeout(.milliseconds(limit)) { try await blocking { try runBlocking(1) } }
        case 3 where limit > 36:
            // Finite, whatever the fetch does.
            try await withCancellationShield { try await withTimeout(.milliseconds(1)) { try await run(2) } }
        default: try await blocking { try runBlocking(depth - 1) }
        }
    }

    @available(*, noasync)
    func runBlocking(_ depth: Int) throws {
        switch depth {
        case 0: _ = try client.get(url)
        case 2 where limit < 8: try withTimeout(.milliseconds(limit)) { try awaiting { try await run(1) } }
        case 3 where limit > 36:
            try withCancellationShield { try withTimeout(.milliseconds(1)) { try runBlocking(2) } }
        default: try awaiting { try await run(depth - 1) }
        }
    }
}

/// xorshift: the same numbers for the same seed.
private struct Numbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int((state >> 11) % UInt64(bound))
    }
}
