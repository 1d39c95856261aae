internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubDumpTests {
    @Test func `a dump shows for each green thread what it waits for and where`() async throws {
        try await onHub {
            let (reader, writer) = try descriptorPair()
            let (event, queue) = (Event<Void>(), Queue<Int>())
            let fd = reader.fd
            let borrowed = Loan(reader)
            let threads = [
                GreenThread(name: "reads") { _ = try Self.readsUntilTold(borrowed.value) },
                GreenThread(name: "waits") { try event.wait() },
                GreenThread(name: "gets") { _ = try queue.get() },
                GreenThread(name: "awaits") { try awaiting { try await event.wait() } },
                GreenThread(name: "sleeps") { try sleep(for: forever) },
            ]
            try await turnUntilParked(threads.count)
            let dump = Hub.current!.dump()
            let states = Dictionary(uniqueKeysWithValues: dump.greenThreads.map { ($0.name, $0.state) })
            #expect(states["reads", default: ""].hasPrefix("waits: descriptor readable (fd \(fd)), for"))
            #expect(states["waits", default: ""].hasPrefix("waits: Event.wait, for"))
            #expect(states["gets", default: ""].hasPrefix("waits: Queue.get, for"))
            #expect(states["awaits", default: ""].hasPrefix("awaits async code, which waits: Event.wait, for"))
            #expect(states["sleeps", default: ""].hasPrefix("waits: sleep, for"))
            #expect(dump.statistics.greenThreads == 5)
            #expect(dump.omitted == 0)
            let text = dump.description
            #expect(text.contains("readsUntilTold"), "\(text)")
            let reads = try #require(dump.greenThreads.first { $0.name == "reads" })
            #expect(reads.stack.descriptionWithLines.contains("HubDumpTests.swift:"))
            // The dump disturbed no waiter.
            try writer.send("x")
            event.send(())
            _ = try queue.tryPut(1)
            threads[4].cancel()
            for thread in threads[..<4] { try await thread.wait() }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await threads[4].wait() }
            reader.close()
            writer.close()
        }
    }

    @inline(never) static func readsUntilTold(_ descriptor: Descriptor) throws -> String { try descriptor.receive() }

    @Test func `a stack is listed down to its first frame, however deep`() async throws {
        try await onHub {
            let event = Event<Void>()
            let threads = [0, 10, 20].map { depth in GreenThread { try Self.descend(depth, event) } }
            try await turnUntilParked(3)
            let stacks = Hub.current!.dump().greenThreads.map(\.stack.addresses)
            #expect(Set(stacks.map(\.last)).count == 1)
            let depths = stacks.map(\.count).sorted()
            // The first call may be inlined into its caller, the others not.
            #expect(depths[1] > depths[0])
            #expect(depths[2] == depths[1] + 10)
            event.send(())
            for (thread, depth) in zip(threads, [0, 10, 20]) {
                let reached = try await thread.wait()
                #expect(reached == depth)
            }
        }
    }

    @inline(never) static func descend(_ depth: Int, _ event: Event<Void>) throws -> Int {
        guard depth > 0 else {
            try event.wait()
            return 0
        }
        return try descend(depth - 1, event) + 1
    }

    @Test func `a dump includes the green thread that makes it, with the frames of the call`() async throws {
        try await onHub {
            let dump = await blocking(name: "looks") { Self.looks() }
            let own = try #require(dump.greenThreads.first { $0.name == "looks" })
            #expect(own.state == "runs")
            #expect(own.stack.description.contains("looks()"))
        }
    }

    @inline(never) static func looks() -> HubDump { Hub.current!.dump() }

    @Test func `a dump needs no more stack after many dumps`() async throws {
        try await onHub {
            await blocking {
                for _ in 0..<20_000 { _ = ForeignWait.callLines() }
            }
        }
    }

    @Test func `a dump made below awaiting shows the green thread at its awaiting call`() async throws {
        try await onHub {
            let dump = try await blocking(name: "awaits") {
                try awaiting {
                    await Task.yield(); return Hub.current!.dump()
                }
            }
            let own = try #require(dump.greenThreads.first { $0.name == "awaits" })
            #expect(own.state == "awaits async code, which runs")
            #expect(own.stack.addresses.count > 4)
        }
    }

    @Test func `tasks without a stack are listed by name and by what they wait for`() async throws {
        try await onHub {
            let event = Event<Void>()
            let semaphore = Semaphore(0)
            let named = Hub.current!.spawn(name: "collector") { try await event.wait() }
            async let unnamed: Void = semaphore.acquire()
            try await turnUntilParked(2)
            let dump = Hub.current!.dump()
            #expect(dump.tasks.contains { $0.name == "collector" && $0.state.hasPrefix("waits: Event.wait, for") })
            #expect(dump.tasks.contains { $0.name == "task" && $0.state.hasPrefix("waits: Semaphore.acquire, for") })
            event.send(())
            semaphore.release()
            try await named.value
            try await unnamed
        }
    }

    @Test func `a dump lists entries up to the limit and counts the rest`() async throws {
        try await onHub {
            let event = Event<Void>()
            let threads = (0..<10).map { _ in GreenThread { try event.wait() } }
            try await turnUntilParked(10)
            let dump = Hub.current!.dump(limit: 3)
            #expect(dump.greenThreads.count == 3)
            #expect(dump.omitted == 7)
            #expect(dump.description.contains("and 7 more"))
            event.send(())
            for thread in threads { try await thread.wait() }
        }
    }
}
