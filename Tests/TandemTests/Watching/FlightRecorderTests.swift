internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct FlightRecorderTests {
    private static let alone = TestHubs.one("the test reads the events of one hub")

    /// Records while `body` runs on the current hub, and returns the hub's events.
    private func events(during body: () async throws -> Void) async rethrows -> [FlightEvent] {
        let recorder = Hub.current!.flightRecorder
        var position = recorder.count
        FlightRecorder.start()
        // The job that started recording is not recorded. The events below begin with the next one.
        await Task.yield()
        try await body()
        await Task.yield()
        FlightRecorder.stop()
        return recorder.read(from: &position, atMost: FlightRecorder.capacity).events
    }

    @Test func `a hub records nothing while nobody watches`() async throws {
        try await onHub(hubs: Self.alone) {
            let recorder = Hub.current!.flightRecorder
            FlightRecorder.start()
            await Task.yield()
            FlightRecorder.stop()
            #expect(!FlightRecorder.isRecording)
            await Task.yield()  // the job that recording was stopped in still is
            let before = recorder.count
            #expect(before > 0)
            for _ in 0..<10 {
                try await sleep(for: .milliseconds(1))
                await blocking {}
            }
            #expect(recorder.count == before)
        }
    }

    @Test func `recording goes on until each watcher has stopped`() async throws {
        FlightRecorder.start()
        FlightRecorder.start()
        FlightRecorder.stop()
        #expect(FlightRecorder.isRecording)
        FlightRecorder.stop()
        #expect(!FlightRecorder.isRecording)
    }

    @Test func `jobs and polls tile the time of the hub, and slices of green threads lie in jobs`() async throws {
        try await onHub(hubs: Self.alone) {
            let began = FlightClock.now
            let events = try await events {
                for _ in 0..<20 {
                    try await sleep(for: .milliseconds(1))
                    try await blocking(name: "green") { try sleep(for: .milliseconds(1)) }
                }
            }
            let ended = FlightClock.now
            var replay = FlightReplay(FlightClock())
            let slices = events.compactMap { replay.slice(endingWith: $0) }
            let top = slices.filter { $0.kind != .green }
            #expect(top.count { $0.kind == .job } >= 40)
            #expect(top.count { $0.kind == .poll } >= 40)
            for (earlier, later) in zip(top, top.dropFirst()) { #expect(earlier.ended <= later.began) }
            #expect(top.allSatisfy { $0.began <= $0.ended })
            #expect(top.first!.began >= began && top.last!.ended <= ended)
            // Each green slice comes before the job in which it ran.
            var open: [FlightSlice] = []
            for slice in slices {
                switch slice.kind {
                case .green: open.append(slice)
                case .job:
                    #expect(open.allSatisfy { slice.began <= $0.began && $0.ended <= slice.ended && $0.name == "green" })
                    open = []
                case .poll: #expect(open.isEmpty)
                }
            }
            #expect(slices.count { $0.kind == .green } == 40)
        }
    }

    @Test func `a wait is recorded with what it waited for, and the task that woke it`() async throws {
        try await onHub(hubs: Self.alone) {
            nonisolated(unsafe) let parker = Parker(for: "the test")  // used on this hub only
            let waker = Event<UInt64>()
            let events = try await events {
                let other = spawn(name: "waker") {
                    waker.send(UInt64(UInt(bitPattern: tandem_current_task()!)))
                    parker.unpark()
                }
                try await parker.park()
                try await other.wait()
            }
            let this = UInt64(UInt(bitPattern: tandem_current_task()!))
            let wait = try #require(events.first { $0.kind == .wait && $0.name == "the test" })
            #expect(wait.subject == this)
            #expect(try await wait.detail == waker.wait())
            #expect(wait.descriptor == -1)
            #expect(wait.began <= FlightClock().nanoseconds(wait.ticks))
            #expect(events.contains { $0.kind == .task && $0.name == "waker" && $0.subject == wait.detail })
        }
    }

    @Test func `a wake-up by a timer has no task that woke it`() async throws {
        try await onHub(hubs: Self.alone) {
            let events = try await events { try await sleep(for: .milliseconds(2)) }
            let wait = try #require(events.first { $0.kind == .wait && $0.name == "sleep" })
            #expect(wait.detail == 0)
        }
    }

    @Test func `calls of both bridges are recorded with file and line`() async throws {
        try await onHub(hubs: Self.alone) {
            let line = #line + 2
            let events = await events {
                await blocking { try? awaiting { await Task.yield() } }
            }
            for kind in [FlightEvent.Kind.toBlocking, .toAsync] {
                let call = try #require(events.first { $0.kind == kind })
                #expect(call.name == "TandemTests/FlightRecorderTests.swift")
                #expect(call.detail == UInt64(line))
            }
        }
    }

    @Test func `jobs have the name of the request that their task serves, or else of the task`() async throws {
        try await onHub(hubs: Self.alone) {
            let events = try await events {
                try await spawn(name: "connection") { () async throws in
                    await Task.yield()
                    FlightRecorder.mark(.request, named: "GET /a", 1)
                    await Task.yield()
                    await Task.yield()
                    FlightRecorder.mark(.answer, 200)
                    await Task.yield()
                    await Task.yield()
                }.value
            }
            let connection = try #require(events.first { $0.kind == .task && $0.name == "connection" }).subject
            var replay = FlightReplay(FlightClock())
            let names = events.compactMap { replay.slice(endingWith: $0) }.filter { $0.subject == connection }.map(\.name)
            // The job in which the request ended is of the request, too.
            #expect(names == ["connection", "GET /a", "GET /a", "GET /a", "connection", "connection"])
        }
    }

    @Test func `a reader that is too slow gets the newest events, and the number of those that it lost`() async throws {
        try await onHub(hubs: Self.alone) {
            let recorder = Hub.current!.flightRecorder
            FlightRecorder.start()
            await Task.yield()
            let start = recorder.count
            var position = start
            let total = UInt64(FlightRecorder.capacity) * 2 + 1_000
            for number in 0..<total { FlightRecorder.mark(.fetch, number) }
            FlightRecorder.stop()
            let (events, lost) = recorder.read(from: &position, atMost: FlightRecorder.capacity)
            #expect(recorder.count == start + total)
            #expect(position == recorder.count)
            #expect(lost + UInt64(events.count) == total)
            #expect(events.count >= FlightRecorder.capacity - 1)
            #expect(events.map(\.detail).elementsEqual(lost..<total))
            #expect(recorder.read(from: &position).events.isEmpty)
        }
    }

    /// The writer laps the reader all the time. A record that mixes two would have a detail that does not match its name.
    @Test func `an event that is read while the hub overwrites it is discarded`() async throws {
        try await onHub(hubs: Self.alone) {
            let recorder = Hub.current!.flightRecorder
            let done = Event<Void>()
            let reader = Event<(read: Int, torn: Int)>()
            startThread {
                var (position, read, torn) = (UInt64(0), 0, 0)
                while done.outcome == nil {
                    let events = recorder.read(from: &position, atMost: 4_096).events
                    read += events.count
                    torn += events.count { $0.kind == .fetch && $0.detail != ~$0.subject }
                }
                reader.send((read, torn))
            }
            FlightRecorder.start()
            await Task.yield()
            let start = tandem_real_nanoseconds()
            var number: UInt = 1
            while tandem_real_nanoseconds() < start + 300_000_000 {
                for _ in 0..<1_000 {
                    tandem_record_mark(TANDEM_EVENT_FETCH, UnsafeRawPointer(bitPattern: number), nil, UInt64(~number))
                    number += 1
                }
            }
            FlightRecorder.stop()
            done.send(())
            let seen = try await reader.wait()
            #expect(seen.torn == 0)
            #expect(seen.read > 0)
        }
    }

    @Test func `the job that holds a hub is visible from another thread`() async throws {
        try await onHub(hubs: Self.alone) {
            let recorder = Hub.current!.flightRecorder
            FlightRecorder.start()
            await Task.yield()
            let this = UInt64(UInt(bitPattern: tandem_current_task()!))
            let seen = Event<(job: UInt64, began: UInt64)?>()
            startThread { seen.send(recorder.runningJob) }
            while seen.outcome == nil { usleep(1_000) }
            let running = try #require(try await seen.wait())
            #expect(running.job == this)
            #expect(running.began <= tandem_ticks())
            FlightRecorder.stop()
        }
    }

    @Test func `the report of a stall tells what the hub did in the second before`() async throws {
        let reports = Recorder<HubReport>()
        var configuration = HubConfiguration()
        configuration.recordsAlways = true
        configuration.stallThreshold = .milliseconds(20)
        configuration.onReport = { reports.add($0) }
        try await onHub(configuration, hubs: Self.alone) {
            #expect(FlightRecorder.isRecording)
            await blocking(name: "GET /before") {
                let start = tandem_real_nanoseconds()
                while tandem_real_nanoseconds() < start + 5_000_000 {}
            }
            let recorder = Hub.current!.flightRecorder
            var position = recorder.count
            try await spawn(name: "the holder") { () async in
                await Task.yield()
                WatchdogTests.computes(until: reports, say: .stalled, "async code has held the hub for")
            }.value
            await Task.yield()
            #expect(recorder.read(from: &position, atMost: FlightRecorder.capacity).events.contains { $0.kind == .stall })
        }
        let report = try #require(reports.first(.stalled, "async code has held the hub for"))
        #expect(report.before.first?.hasPrefix("the job that holds it: the holder, for ") == true, "\(report.before)")
        #expect(report.before.contains { $0.contains("before the report: GET /before, blocking, ran ") }, "\(report.before)")
        #expect(report.description.hasSuffix(report.before.last!))
        #expect(!FlightRecorder.isRecording, "a hub with the setting has ended")
    }

    @Test func `ticks convert to the clock of the kernel`() {
        FlightRecorder.start()
        defer { FlightRecorder.stop() }
        usleep(10_000)
        for _ in 0..<100 {
            let before = FlightClock.now
            let ticks = tandem_ticks()
            let after = FlightClock.now
            usleep(1_000)
            let time = FlightClock().nanoseconds(ticks)
            #expect(time + 20_000 >= before && time <= after + 20_000)
        }
    }
}
