internal import Testing

@testable import Tandem

/// Errors that no waiter observes.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FailedThreadTests {
    /// A hub's reports of failed threads while `body` runs on it.
    private static func reports(_ body: @escaping @Sendable () async throws -> Void) async throws -> [String] {
        let reports = Recorder<String>()
        var configuration = HubConfiguration()
        configuration.onReport = { if $0.kind == .failed { reports.add($0.message) } }
        try await onHub(configuration, hubs: .one("its reports are counted"), body)
        return reports.all
    }

    @Test func `an unobserved failure is reported with the thread's name and the error`() async throws {
        let reports = try await Self.reports {
            GreenThread(name: "forgotten") { throw Failure(number: 7) }
            let pool = GreenPool(limit: 1)
            try await pool.spawn(name: "member") { throw Failure(number: 8) }
            try await pool.waitAll()
            try await turnUntil { Hub.counts.tasks == 0 }
            try await sleep(for: .zero)
        }
        #expect(
            reports == [
                "green thread 'forgotten' failed, and nobody waited for it: Failure(number: 7)",
                "green thread 'member' failed, and nobody waited for it: Failure(number: 8)",
            ])
    }

    @Test func `a failure with a waiter or a handler is not reported`() async throws {
        let reports = try await Self.reports {
            let waited = GreenThread { throw Failure() }
            await #expect(throws: Failure.self) { try await waited.wait() }
            let ended = Event<Void>()
            GreenThread { throw Failure() }.onCompletion { _ in ended.send(()) }
            try await ended.wait()
            var map = GreenPool(limit: 2).map(0..<3) { _ in throw Failure() }
            for _ in 0..<3 { await #expect(throws: Failure.self) { try await map.next() } }
        }
        #expect(reports == [])
    }

    @Test func `a failed thread is reported when its last reference goes`() async throws {
        let reports = try await Self.reports {
            let kept = Box<GreenThread<Void>>()
            kept.value = GreenThread { throw Failure() }
            try await turnUntil { kept.value?.isFinished == true }
            kept.value = nil
        }
        #expect(reports.count == 1)
    }

    @Test func `a cancelled thread has not failed`() async throws {
        let reports = try await Self.reports {
            for error in [nil, Failure()] as [Failure?] {
                let thread = Box<GreenThread<Void>>()
                thread.value = GreenThread { try sleep(for: forever) }
                try await turnUntilParked(1)
                if let error { thread.value!.cancel(throwing: error) } else { thread.value!.cancel() }
                try await turnUntil { thread.value!.isFinished }
                thread.value = nil
            }
            GreenThread { throw CancellationError() }
            try await turnUntil { Hub.counts.tasks == 0 }
        }
        #expect(reports == [])
    }
}
