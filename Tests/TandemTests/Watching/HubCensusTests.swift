internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubCensusTests {
    private func group(_ census: HubCensus, _ name: String, _ state: String) -> HubCensus.Group? {
        census.groups.first { $0.name == name && $0.state == state }
    }

    @Test func `green threads and tasks are counted by name and by what they wait for`() async throws {
        try await onHub {
            let event = Event<Void>()
            let readers = (0..<5).map { _ in GreenThread(name: "GET /a") { try event.wait() } }
            let sleeper = GreenThread(name: "GET /a") { try sleep(for: forever) }
            let awaiter = GreenThread(name: "GET /b") { try awaiting { try await event.wait() } }
            let tasks = (0..<3).map { _ in Hub.current!.spawn(name: "collector") { try await event.wait() } }
            try await turnUntilParked(10)
            try await sleep(for: .milliseconds(20))
            let census = await Hub.current!.census()
            #expect(census.greenThreads == 7 && census.omitted == 0)
            let waits = try #require(group(census, "GET /a", "Event.wait"))
            #expect(waits.count == 5 && waits.style == .blocking)
            #expect(try #require(waits.longest) >= .milliseconds(10))
            #expect(group(census, "GET /a", "sleep")?.count == 1)
            #expect(group(census, "GET /b", "awaits async code: Event.wait")?.count == 1)
            let collectors = try #require(group(census, "collector", "Event.wait"))
            #expect(collectors.count == 3 && collectors.style == .async)
            #expect(census.groups.map(\.count) == census.groups.map(\.count).sorted(by: >))
            event.send(())
            sleeper.cancel()
            for thread in readers + [awaiter] { try await thread.wait() }
            for task in tasks { try await task.value }
            try? await sleeper.wait()
        }
    }

    @Test func `a green thread that is ready and a task that waits for its child have groups, too`() async throws {
        try await onHub {
            let ready = GreenThread(name: "spins") { while !Task.isCancelled { try sleep(for: .zero) } }
            let event = Event<Void>()
            let parent = Hub.current!.spawn(name: "parent") {
                async let child: Void = event.wait()
                try await child
            }
            try await turnUntil { Hub.counts.waits >= 2 }
            let census = await Hub.current!.census()
            #expect(group(census, "spins", "ready or running")?.count == 1 || group(census, "spins", "sleep")?.count == 1)
            #expect(census.groups.contains { $0.state.hasPrefix("ready, or waits for a child task") && $0.count >= 1 })
            ready.cancel()
            event.send(())
            try await parent.value
            try? await ready.wait()
        }
    }

    @Test func `a census of many looks at some of them at a time and lets other jobs run in between`() async throws {
        try await onHub(hubs: .one("counts the turns of one hub")) {
            let count = 5_000
            let event = Event<Void>()
            let threads = (0..<count).map { _ in GreenThread(name: "waits") { try event.wait() } }
            try await turnUntilParked(count)
            nonisolated(unsafe) var turns = 0
            let other = Hub.current!.spawn(name: "other") {
                while !Task.isCancelled {
                    turns += 1
                    await Task.yield()
                }
            }
            let census = await Hub.current!.census()
            // 5,000 stacks and 5,000 waits, at most some 1,000 per step.
            #expect(turns >= 9, "\(turns)")
            #expect(group(census, "waits", "Event.wait")?.count == count)
            #expect(census.cost > .zero)
            other.cancel()
            event.send(())
            for thread in threads { try await thread.wait() }
            try? await other.value
        }
    }

    @Test func `names and reasons are counted up to a thousand groups`() async throws {
        try await onHub {
            let event = Event<Void>()
            let threads = (0..<1_100).map { number in
                GreenThread(name: GreenThreadName(permanent: "thread \(number)")) { try event.wait() }
            }
            try await turnUntilParked(threads.count)
            let census = await Hub.current!.census()
            #expect(census.groups.count <= 1_001)
            #expect(census.omitted >= 100)
            #expect(census.groups.reduce(0) { $0 + $1.count } + census.omitted >= 1_100)
            event.send(())
            for thread in threads { try await thread.wait() }
        }
    }

    @Test func `equal names of different origin are one group`() async throws {
        try await onHub {
            let event = Event<Void>()
            let threads = (0..<2).map { _ in GreenThread(name: GreenThreadName(permanent: "same")) { try event.wait() } }
            try await turnUntilParked(2)
            let census = await Hub.current!.census()
            #expect(census.groups.filter { $0.name == "same" }.map(\.count) == [2])
            event.send(())
            for thread in threads { try await thread.wait() }
        }
    }

    @Test func `the members of a group are listed in pages`() async throws {
        try await onHub {
            let event = Event<Void>()
            let threads = (0..<25).map { _ in GreenThread(name: "waits") { try event.wait() } }
            let other = GreenThread(name: "other") { try event.wait() }
            try await turnUntilParked(26)
            var numbers: Set<Int> = []
            var first = 0
            var hasMore = true
            while hasMore {
                let page = await Hub.current!.members(
                    style: .blocking, name: "waits", state: "Event.wait", from: first, atMost: 10)
                numbers.formUnion(page.members.compactMap(\.thread))
                first += page.members.count
                hasMore = page.hasMore
            }
            #expect(numbers.count == 25 && first == 25)
            let none = await Hub.current!.members(style: .async, name: "waits", state: "Event.wait", from: 0, atMost: 10)
            #expect(none.members.isEmpty && !none.hasMore)
            event.send(())
            for thread in threads + [other] { try await thread.wait() }
        }
    }

    @Test func `one green thread is described with its stack`() async throws {
        try await onHub {
            let event = Event<Void>()
            let thread = GreenThread(name: "waits here") { try Self.waitsHere(event) }
            try await turnUntilParked(1)
            let number = try #require(Hub.current!.dump().greenThreads.first { $0.name == "waits here" }).number
            let entry = try #require(Hub.current!.greenThread(numbered: number))
            #expect(entry.name == "waits here" && entry.state.hasPrefix("waits: Event.wait, for"))
            #expect(entry.stack.description.contains("waitsHere"))
            #expect(Hub.current!.greenThread(numbered: 100_000) == nil)
            #expect(Hub.current!.greenThread(numbered: 0) == nil)
            event.send(())
            try await thread.wait()
            #expect(Hub.current!.greenThread(numbered: number) == nil)
        }
    }

    @inline(never) static func waitsHere(_ event: Event<Void>) throws { try event.wait() }

    @Test func `jobs that are ready are counted`() async throws {
        try await onHub(hubs: .one("counts the jobs of one hub")) {
            let hub = Hub.current!
            let tasks = (0..<7).map { _ in hub.spawn {} }
            let ready = hub.statistics.readyJobs
            #expect(ready >= 7)
            for task in tasks { try await task.value }
            #expect(hub.statistics.readyJobs < ready)
        }
    }
}
