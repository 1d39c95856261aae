import Glibc
import Tandem
import Testing

@testable import TandemDaemon

/// What the timeline shows of a hub, read from another hub.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TimelineTests {
    /// Runs `body` with a timeline of another hub.
    private func withTimeline(_ body: @escaping @Sendable (Timeline, Hub) async throws -> Void) async throws {
        let group = try HubGroup(count: 1)
        let watched = group.hubs[0]
        try await onNewHub { _ in
            let timeline = Timeline(
                { [watched] }, styles: ["GET /blocking": "blocking"], lease: .seconds(1),
                pool: try OffloadPool(threads: 1, queueLimit: 8, name: "test"), asking: HubInquiry())
            try await body(timeline, watched)
            // The recorders stop when nobody has read for the lease.
            while FlightRecorder.isRecording { try await sleep(for: .milliseconds(10)) }
        }
        await group.shutdown()
    }

    /// Computes for this time.
    private static func spin(_ duration: Duration) {
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end {}
    }

    @Test func `bins follow each other, and tell idle time, blocking code and async code apart`() async throws {
        try await withTimeline { timeline, hub in
            _ = try await timeline.read()
            try await sleep(for: .milliseconds(50))
            try await hub.spawn {
                await blocking(name: "GET /blocking") { Self.spin(.milliseconds(100)) }
                await Task.yield()
                Self.spin(.milliseconds(100))
            }.value
            try await sleep(for: .milliseconds(50))
            var bins: [[Int]] = []
            var next: Int?
            var longest: [TimelineState.Slice] = []
            for _ in 0..<2 {
                let state = try await timeline.read()
                let read = try #require(state.hubs.first)
                #expect(read.lost == 0 && state.binMicroseconds == 12_500)
                if let next { #expect(read.first == next) }
                next = read.first + read.bins.count
                bins += read.bins
                longest += state.longest
                try await sleep(for: .milliseconds(50))
            }
            for bin in bins { #expect(bin.count == 5 && bin[0] + bin[1] + bin[2] <= 102, "\(bin)") }
            // 100 ms are 8 bins, of which the first and the last may be shared.
            #expect(bins.count { $0[0] >= 90 } >= 6, "\(bins)")
            #expect(bins.count { $0[1] >= 90 } >= 6, "\(bins)")
            #expect(bins.count { $0[0] + $0[1] + $0[2] <= 10 } >= 4, "\(bins)")
            #expect(bins.reduce(0) { $0 + $1[3] } == 1)
            let named = try #require(longest.first { $0.name == "GET /blocking" })
            #expect(named.style == "blocking" && named.microseconds >= 100_000)
        }
    }

    @Test func `code that holds the hub is shown as running, and its time comes when it has ended`() async throws {
        try await withTimeline { timeline, hub in
            _ = try await timeline.read()
            let mayEnd = Event<Void>()
            let task = hub.spawn(name: "holds") {
                while mayEnd.outcome == nil { usleep(1_000) }
            }
            try await sleep(for: .milliseconds(100))
            var state = try await timeline.read()
            let running = try #require(state.hubs[0].running)
            #expect(running.name == "holds" && running.style == "async" && state.now - running.since >= 80_000)
            state = try await timeline.read()
            #expect(state.hubs[0].bins.isEmpty)
            mayEnd.send(())
            try await task.value
            state = try await timeline.read()
            #expect(state.hubs[0].running?.name != "holds")
            #expect(state.hubs[0].bins.count { $0[1] >= 90 } >= 6, "\(state.hubs[0].bins)")
            #expect(state.longest.first?.name == "holds")
        }
    }

    @Test func `a reader that is too slow is told how many events it has lost, and sees the newest`() async throws {
        try await withTimeline { timeline, hub in
            _ = try await timeline.read()
            try await hub.spawn(name: "yields") {
                for _ in 0..<40_000 {
                    Self.spin(.microseconds(10))
                    await Task.yield()
                }
            }.value
            let state = try await timeline.read()
            #expect(state.hubs[0].lost > 0)
            // What comes after the loss is shown: 16,000 jobs of at least 10 µs.
            #expect(state.hubs[0].bins.count { $0[1] >= 50 } >= 5, "\(state.hubs[0].bins)")
            let next = try await timeline.read()
            #expect(next.hubs[0].lost == 0 && next.hubs[0].first >= state.hubs[0].first)
        }
    }
}
